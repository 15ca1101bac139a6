"""`data bucket`: squares of every size from one decoding, under the same keys."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tar_files import write_tar
from typer.testing import CliRunner

from t2igan.cli.data import app
from t2igan.curate.bucket.picture import cut_squares
from t2igan.curate.bucket.run import bucket_shards
from t2igan.curate.bucket.sample import output_keys
from t2igan.curate.engine import Workers
from t2igan.curate.storage import Folder
from t2igan.data.config import ShardsConfig
from t2igan.data.loader import build_stream
from t2igan.data.pixels import BadSampleError, center_crop, open_picture, to_rgb
from t2igan.data.samples import MAX_BYTES
from t2igan.data.tars import index_tar, read_members
from t2igan.errors import DataError, UsageError

ONE = Workers(count=1)
EXIF_SIDEWAYS = Image.Exif()
EXIF_SIDEWAYS[0x0112] = 6


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def sample(key: str, image: bytes, suffix: str = "png", **fields) -> list[tuple[str, bytes]]:
    found = [(f"{key}.{suffix}", image), (f"{key}.txt", f"picture {key}".encode())]
    return [*found, (f"{key}.json", json.dumps(fields).encode())] if fields else found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Three shards of four good pictures, all of at least 160 px; the second has bad samples as well."""
    folder = tmp_path_factory.mktemp("in")
    for shard in range(3):
        members = []
        for i in range(4):
            members += sample(f"{shard}{i}", encoded(noise(170 + 7 * i, 200 - 9 * i, 4 * shard + i)))
        if shard == 1:
            members += [*sample("text", b"no picture"), ("silent.png", encoded(noise(170, 170)))]
            members += sample("small", encoded(noise(99, 300)), url="https://x", sha256="of the download")
            members += [("0.cls", b"4")]
        write_tar(folder / f"0000{shard}.tar", members)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def read(path: Path) -> dict[str, dict[str, bytes]]:
    return {entry.key: read_members(path, entry) for entry in index_tar(path)}


@pytest.fixture(scope="module")
def bucketed(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    summary = bucket_shards(str(pictures), str(out), sizes=[160, 64], workers=ONE, is_quiet=True)
    return out, summary


def test_squares_are_the_centre_crops_of_the_upright_rgb_original(pictures, bucketed):
    out, _ = bucketed
    for name in ("00000.tar", "00001.tar", "00002.tar"):
        originals = read(pictures / name)
        for key, members in read(out / "64" / name).items():
            picture = to_rgb(open_picture(originals[key]["png"], max_pixels=10**6))
            square = np.asarray(Image.open(io.BytesIO(members["png"])))
            np.testing.assert_array_equal(square, center_crop(picture, 64))
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            assert json.loads(members["json"])["crop_box"] == [left, top, left + side, top + side]


def test_keys_order_and_captions_are_those_of_the_input_in_every_size(pictures, bucketed):
    out, _ = bucketed
    for number in range(3):
        name = f"0000{number}.tar"
        small, large = read(out / "64" / name), read(out / "160" / name)
        assert [key for key in small if key != "small"] == list(large)
        assert list(large) == [f"{number}{i}" for i in range(4)]
        originals = read(pictures / name)
        for key, members in large.items():
            assert members["txt"] == small[key]["txt"] == originals[key]["txt"]
            assert Image.open(io.BytesIO(members["jpg"])).size == (160, 160)


def test_what_is_left_out_is_counted_by_size_and_reason(bucketed):
    out, summary = bucketed
    bad = {"no caption": 1, "not a JPEG, PNG or WebP image": 1, "no image member": 1}
    assert summary["samples"] == 16
    assert summary["buckets"] == {
        "64": {"kept": 13, "reasons": bad},
        "160": {"kept": 12, "reasons": bad | {"smaller than 160 px": 1}},
    }
    stats = json.loads((out / "160" / "00001_stats.json").read_text())
    assert (stats["count"], stats["successes"]) == (8, 4)
    assert stats["members_left_out"] == {"cls": 1}
    record = json.loads((out / "64" / ".t2igan" / "dataset.json").read_text())
    assert record["is_complete"]
    assert record["kept"] == 13


def test_the_json_says_where_a_square_was_cut_and_checks_the_stored_bytes(bucketed, pictures):
    members = read(bucketed[0] / "64" / "00001.tar")["small"]
    fields = json.loads(members["json"])
    assert fields["url"] == "https://x"
    assert fields["crop_box"] == [0, 100, 99, 199]
    assert (fields["width"], fields["height"]) == (64, 64)
    assert fields["sha256"] == hashlib.sha256(members["png"]).hexdigest()
    original = read(pictures / "00001.tar")["small"]["png"]
    assert fields["t2igan"]["cut_from"] == {"sha256": hashlib.sha256(original).hexdigest(), "size": [99, 300]}


def test_the_number_of_workers_does_not_show(pictures, bucketed, tmp_path):
    bucket_shards(str(pictures), str(tmp_path), sizes=[64, 160], workers=Workers(count=2), is_quiet=True)
    assert contents(tmp_path) == contents(bucketed[0])


def test_a_run_that_was_killed_goes_on_and_repeats_nothing(pictures, bucketed, tmp_path):
    bucket_shards(str(pictures), str(tmp_path), sizes=[64, 160], workers=ONE, is_quiet=True)
    kept = tmp_path / "64" / "00000.tar"
    before = kept.stat().st_mtime_ns, kept.stat().st_ino
    (tmp_path / "64" / "00002_stats.json").unlink()  # killed before the statistics
    (tmp_path / "160" / "00001.tar").write_bytes(b"half")
    (tmp_path / "160" / ".00000.tar.host.1.tmp").write_bytes(b"of another machine")
    bucket_shards(str(pictures), str(tmp_path), sizes=[64, 160], workers=ONE, is_quiet=True)
    (tmp_path / "160" / ".00000.tar.host.1.tmp").unlink()
    assert contents(tmp_path) == contents(bucketed[0])
    assert (kept.stat().st_mtime_ns, kept.stat().st_ino) == before


def test_a_bucket_that_was_scored_and_embedded_can_be_gone_on_with(tmp_path):
    write_tar(tmp_path / "in" / "0.tar", sample("a", encoded(noise(20, 20))))
    for _ in range(2):
        bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[8], workers=ONE, is_quiet=True)
        (tmp_path / "out/8/0.text-hashing-8.safetensors").touch()
        (tmp_path / "out/8/0.scores.parquet").touch()
    assert (tmp_path / "out/8/0.text-hashing-8.safetensors").exists()


def test_a_shard_that_changed_is_cut_anew_and_others_stay(tmp_path):
    for i in range(2):
        write_tar(tmp_path / "in" / f"{i}.tar", sample("a", encoded(noise(20, 20, i))))
    bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[8], workers=ONE, is_quiet=True)
    before = contents(tmp_path / "out")
    write_tar(tmp_path / "in" / "1.tar", sample("a", encoded(noise(20, 20, 5))))  # of the same size
    (tmp_path / "in" / "0.tar").touch()
    bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[8], workers=ONE, is_quiet=True)
    changed = {name for name, data in contents(tmp_path / "out").items() if data != before[name]}
    assert changed == {"8/1.tar", "8/1_stats.json"}


def test_training_reads_both_sizes_in_one_order(bucketed, tmp_path, pictures):
    for name in ("00000.tar", "00002.tar"):  # those without small pictures
        (tmp_path / name).symlink_to(pictures / name)
    bucket_shards(str(tmp_path), str(tmp_path / "out"), sizes=[64, 160], workers=ONE, is_quiet=True)
    data = ShardsConfig(shards=f"{tmp_path}/out/{{resolution}}")
    small, large = (build_stream(data, resolution=size, seed=3) for size in (64, 160))
    for a, b in zip(map(small.sample, range(20)), map(large.sample, range(20)), strict=True):
        assert (a.key, a.caption) == (b.key, b.caption)
        assert (a.image.shape, b.image.shape) == ((64, 64, 3), (160, 160, 3))


@pytest.mark.parametrize(
    ("picture", "kind", "is_copied"),
    [
        (noise(160, 160), "PNG", True),
        (noise(160, 160), "JPEG", True),
        (noise(160, 160).convert("L"), "PNG", True),
        (noise(160, 160), "WEBP", False),
        (noise(160, 160).convert("CMYK"), "JPEG", False),
        (noise(160, 160).convert("P"), "PNG", False),
        (noise(160, 160).convert("RGBA"), "PNG", False),
        (noise(160, 161), "PNG", False),
    ],
    ids=["png", "jpeg", "gray", "webp", "cmyk", "palette", "alpha", "no square"],
)
def test_only_a_plain_square_of_the_right_size_is_copied(picture, kind, is_copied):
    data = encoded(picture, kind)
    square = cut_squares(data, [160], max_pixels=10**6).squares[160]
    assert (square.data == data) == is_copied
    assert Image.open(io.BytesIO(square.data)).size == (160, 160)


def test_a_picture_on_its_side_is_cut_upright():
    picture = noise(40, 20)
    cut = cut_squares(encoded(picture, exif=EXIF_SIDEWAYS.tobytes()), [20], max_pixels=10**6)
    assert (cut.original, cut.crop_box, cut.is_turned) == ((20, 40), (0, 10, 20, 30), True)
    expected = np.rot90(np.asarray(picture), -1)[10:30]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(cut.squares[20].data))), expected)


def test_a_square_that_lies_on_its_side_is_not_copied():
    data = encoded(noise(20, 20), exif=EXIF_SIDEWAYS.tobytes())
    assert cut_squares(data, [20], max_pixels=10**6).squares[20].data != data


def test_nothing_is_enlarged():
    assert set(cut_squares(encoded(noise(64, 300)), [63, 64, 65], max_pixels=10**6).squares) == {63, 64}


def test_a_bomb_is_refused_by_its_header():
    with pytest.raises(BadSampleError, match="too many pixels"):
        cut_squares(encoded(noise(20, 20)), [8], max_pixels=399)


def test_keys_are_safe_and_differ():
    keys = ["a", "b/c", "a", "a-1", "../x", "/etc/x", "x" * 200, "ä", "a", "c:\\x"]
    found = output_keys(keys)
    assert found[:4] == ["a", "b/c", "a-2", "a-1"]
    assert found[8] == "a-3"
    assert len(set(found)) == len(found)
    assert all(len(key) == 24 and key.isalnum() for key in (*found[4:8], found[9]))


def test_samples_that_share_a_key_are_kept_apart(tmp_path):
    members = [*sample("a", encoded(noise(30, 30))), *sample("a", encoded(noise(30, 30, 1), "JPEG"), "jpg")]
    members = [*members[:2], *members[2:], *sample("a", encoded(noise(200, 200)))]
    write_tar(tmp_path / "in" / "0.tar", members)
    bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[16, 30], workers=ONE, is_quiet=True)
    found = [index_tar(tmp_path / "out" / size / "0.tar") for size in ("16", "30")]
    assert [e.key for e in found[0]] == [e.key for e in found[1]]
    assert len({e.key for e in found[0]}) == len(found[0])


def test_a_tar_that_breaks_off_gives_what_is_whole_and_says_so(tmp_path):
    path = write_tar(
        tmp_path / "in" / "0.tar", sample("a", encoded(noise(30, 30))) + sample("b", encoded(noise(40, 40)))
    )
    at = index_tar(path)[1].members["png"][0]
    path.write_bytes(path.read_bytes()[: at + 100])
    summary = bucket_shards(
        str(tmp_path / "in"), str(tmp_path / "out"), sizes=[16], workers=ONE, is_quiet=True
    )
    assert summary["buckets"]["16"] == {"kept": 1, "reasons": {"cut off in the tar": 1}}
    assert "truncated" in summary["damaged"][str(path)]
    with pytest.raises(DataError, match=r"(?s)--strict.*1 x cut off in the tar.*truncated"):
        bucket_shards(
            str(tmp_path / "in"),
            str(tmp_path / "out"),
            sizes=[16],
            workers=ONE,
            is_quiet=True,
            is_strict=True,
        )


def test_a_shard_of_which_nothing_is_left_has_statistics_and_no_tar(tmp_path):
    write_tar(tmp_path / "in" / "0.tar", sample("a", encoded(noise(30, 30))))
    bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[64], workers=ONE, is_quiet=True)
    assert {p.name for p in (tmp_path / "out" / "64").iterdir()} == {"0_stats.json", ".t2igan"}
    assert json.loads((tmp_path / "out/64/0_stats.json").read_text())["reasons"] == {"smaller than 64 px": 1}


def test_a_json_that_grows_beyond_what_a_reader_takes_is_counted(tmp_path):
    members = [
        *sample("a", encoded(noise(9, 9))),
        ("a.json", json.dumps({"x": "y" * (MAX_BYTES["json"] - 20)}).encode()),
    ]
    write_tar(tmp_path / "in" / "0.tar", members)
    summary = bucket_shards(
        str(tmp_path / "in"), str(tmp_path / "out"), sizes=[8], workers=ONE, is_quiet=True
    )
    assert summary["buckets"]["8"]["reasons"] == {".json too large": 1}


def test_an_output_that_is_the_input_or_another_set_is_refused(bucketed, pictures):
    out, _ = bucketed
    for overwrites in (False, True):
        with pytest.raises(UsageError, match="is the input as well"):
            bucket_shards(str(out / "64"), str(out), sizes=[64], is_quiet=True, overwrites=overwrites)
    with pytest.raises(DataError, match="made with other settings: max_pixels"):
        bucket_shards(str(pictures), str(out), sizes=[64], max_pixels=10**6, is_quiet=True)
    with pytest.raises(UsageError, match="at least 8 pixels"):
        bucket_shards(str(pictures), str(out), sizes=[64, 4], is_quiet=True)


def test_urls_give_what_local_folders_give(pictures, bucketed):
    import fsspec

    system = fsspec.filesystem("memory")
    for name, data in contents(pictures).items():
        system.pipe(f"/bucket-in/{name}", data)
    bucket_shards("memory://bucket-in", "memory://bucket-out", sizes=[64], workers=ONE, is_quiet=True)
    folder = Folder("memory://bucket-out/64")
    assert folder.names() >= {"00000.tar", "00002.tar", "00001_stats.json"}
    for number in range(3):
        assert folder.read(f"0000{number}.tar") == (bucketed[0] / "64" / f"0000{number}.tar").read_bytes()


def test_reasons_and_kept_add_up_to_what_was_seen(bucketed):
    out, _ = bucketed
    for path in out.glob("*/*_stats.json"):
        stats = json.loads(path.read_text())
        assert stats["count"] == stats["successes"] + sum(stats["reasons"].values())


def test_the_command_prints_a_row_for_each_size(pictures, tmp_path):
    done = CliRunner().invoke(
        app,
        ["bucket", str(pictures), str(tmp_path), "--sizes", "64, 160", "--workers", "1"],
        env={"COLUMNS": "250"},
    )
    assert done.exit_code == 0
    assert "160 px" in done.stdout
    assert "kept: 12, no caption: 1" in done.stdout
    wrong = CliRunner().invoke(app, ["bucket", str(pictures), str(tmp_path), "--sizes", "64;256"])
    assert isinstance(wrong.exception, UsageError)
