"""What is in a folder or in shards, without decoding a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from test_data_hostile import bomb, encoded, png, write_tar

from t2igan.data.importer import import_pictures
from t2igan.data.inspect import Inspection, inspect_data
from t2igan.data.pixels import BadSampleError, open_picture
from t2igan.errors import DataError


def put(folder: Path, name: str, data: bytes, caption: str | None = "a cat") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures: 64 x 64, 40 x 80, 100 x 50; one of them with two captions."""
    path = tmp_path / "pictures"
    put(path, "a.png", png(size=64), "a red cat\nthe cat\n")
    put(path, "b.webp", encoded(Image.new("RGB", (40, 80)), "WEBP"), "a dog on a sofa")
    put(path, "sub/c.jpg", encoded(Image.new("RGB", (100, 50)), "JPEG"), "cat")
    return path


def facts(found: Inspection) -> tuple:
    """What must not depend on how the samples are stored."""
    return found.count, found.usable, sorted(found.sizes), found.words, found.distinct_captions


def test_a_folder_is_counted_with_sizes_and_words(folder: Path):
    found = inspect_data(str(folder))
    assert (found.kind, found.count, found.looked_at, found.usable, found.is_exact) == (
        "folder",
        3,
        3,
        3,
        True,
    )
    assert sorted(found.sizes) == [(40, 80), (64, 64), (100, 50)]
    assert found.sides == [40, 50, 64]
    assert found.words == (1, 2, 3, 5)
    assert found.distinct_captions == 4
    assert found.problems == found.splits == {}


def test_shares_and_the_loss_of_the_centre_crop_are_those_of_the_sizes(folder: Path):
    found = inspect_data(str(folder))
    assert [found.share_reaching(px) for px in (32, 50, 64, 65)] == [1, 2 / 3, 1 / 3, 0]
    assert found.crop_loss == pytest.approx((0 + 0.5 + 0.5) / 3)


def test_shards_of_a_folder_hold_what_the_folder_holds(folder: Path, tmp_path: Path):
    import_pictures(folder, tmp_path / "shards", per_shard=2)
    expected = facts(inspect_data(str(folder)))
    for source in (
        "shards",
        "shards/*.tar",
        "shards/{00000..00001}.tar",
        "shards/00000.tar::{}/shards/00001.tar",
    ):
        pattern = "::".join(str(tmp_path / part.removeprefix("{}/")) for part in source.split("::"))
        found = inspect_data(pattern)
        assert (found.kind, facts(found)) == ("shards", expected)


def test_splits_of_a_folder_are_counted_by_name(folder: Path):
    rows = [{"file_name": n, "text": "x", "split": s} for n, s in (("a.png", "test"), ("b.webp", "train"))]
    text = "\n".join(map(json.dumps, [*rows, {"file_name": "sub/c.jpg", "text": "x"}]))
    (folder / "metadata.jsonl").write_text(text)
    assert inspect_data(str(folder)).splits == {"test": 1, "train": 2}


def test_only_headers_are_read(folder: Path):
    whole = encoded(Image.effect_noise((80, 80), 50), "JPEG")
    put(folder, "cut.jpg", whole[: len(whole) // 2])
    assert (80, 80) in inspect_data(str(folder)).sizes
    with pytest.raises(BadSampleError, match="does not decode"):
        open_picture((folder / "cut.jpg").read_bytes(), max_pixels=10**6)


def test_what_cannot_be_used_is_counted_by_reason(folder: Path):
    put(folder, "bomb.png", bomb(20_000, 20_000))
    put(folder, "text.png", b"hello")
    put(folder, "silent.png", png(), None)
    put(folder, "blank.png", png(), " \n")
    found = inspect_data(str(folder))
    assert found.problems == {"too many pixels": 1, "not a JPEG, PNG or WebP image": 1, "no caption": 2}
    assert (found.count, found.usable) == (7, 3)


def test_bad_samples_of_shards_are_counted_by_reason(tmp_path: Path):
    good = [
        ("a.png", png()),
        ("a.txt", b"a cat"),
        ("b.png", png()),
        ("b.json", b'{"captions": ["a", "b c"]}'),
    ]
    bad = [
        ("c.txt", b"no picture"),
        ("d.png", png()),
        ("e.png", b"x"),
        ("e.txt", b"x"),
        ("f.png", png()),
        ("f.txt", b"\xff"),
    ]
    write_tar(tmp_path / "x.tar", good + bad)
    found = inspect_data(str(tmp_path / "x.tar"))
    assert found.problems == {
        "no image member": 1, "no caption": 1, "not a JPEG, PNG or WebP image": 1, "caption is not UTF-8": 1,
    }  # fmt: skip
    assert (found.count, found.usable, found.words) == (6, 2, (1, 2, 2))


@pytest.mark.parametrize("is_shards", [False, True])
def test_of_a_large_set_the_same_part_is_looked_at_every_time(tmp_path: Path, is_shards: bool):
    for i in range(30):
        put(tmp_path / "in", f"{i:02}.png", png(size=8 + i), f"{i}")
    if is_shards:
        import_pictures(tmp_path / "in", tmp_path / "shards", per_shard=7)
    source = str(tmp_path / ("shards" if is_shards else "in"))
    found = inspect_data(source, limit=10)
    assert (found.count, found.looked_at, len(found.sizes), found.is_exact) == (30, 10, 10, False)
    assert found.usable == 30
    assert found == inspect_data(source, limit=10)
    assert found.sides[0] < 18 < found.sides[-1]  # not the first ten


def test_at_most_sixteen_shards_are_opened(tmp_path: Path):
    for i in range(20):
        write_tar(tmp_path / f"{i:05}.tar", [("a.png", png()), ("a.txt", b"a cat")])
    found = inspect_data(str(tmp_path))
    assert (found.count, found.looked_at) == (20, 16)


def test_pictures_beside_a_tar_are_a_folder(folder: Path):
    write_tar(folder / "backup.tar", [("a.png", png()), ("a.txt", b"a cat")])
    assert inspect_data(str(folder)).kind == "folder"


def test_pictures_without_captions_are_an_error_that_says_how_to_write_them(folder: Path):
    for path in folder.rglob("*.txt"):
        path.unlink()
    with pytest.raises(DataError, match=r"3 of 3 pictures have no caption\. Put cat\.txt .* beside cat\.png"):
        inspect_data(str(folder))


def test_shards_without_captions_are_an_error_that_names_the_member(tmp_path: Path):
    write_tar(tmp_path / "x.tar", [("a.png", png())])
    with pytest.raises(DataError, match=r"have no caption\. In shards .* NAME\.txt"):
        inspect_data(str(tmp_path / "x.tar"))


def test_nothing_usable_is_an_error_that_counts_the_reasons(tmp_path: Path):
    put(tmp_path / "in", "a.png", b"x")
    with pytest.raises(DataError, match="none of 1 samples can be used: 1 x not a JPEG"):
        inspect_data(str(tmp_path / "in"))


def test_an_empty_folder_and_a_folder_of_sets_say_what_to_give(folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no jpg, png or webp file"):
        inspect_data(str(tmp_path / "empty"))
    import_pictures(folder, tmp_path / "sets" / "train")
    with pytest.raises(DataError, match="there are some in train"):
        inspect_data(str(tmp_path / "sets"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pictres", "did you mean 'pictures'"),
        ("no*.tar", "no file matches"),
        ("s3://x/y.tar", "shards are files"),
    ],
)
def test_a_source_that_is_not_there_is_one_clear_error(folder: Path, name: str, words: str):
    source = name if "://" in name else str(folder.parent / name)
    with pytest.raises(DataError, match=words):
        inspect_data(source)


def test_links_that_lead_outside_are_not_opened(folder: Path, tmp_path: Path):
    outside = put(tmp_path / "outside", "x.png", png(size=200), None)
    (folder / "x.png").symlink_to(outside)
    (folder / "x.txt").write_text("a secret")
    found = inspect_data(str(folder))
    assert found.problems == {"outside the folder": 1}
    assert (200, 200) not in found.sizes


def test_a_damaged_shard_is_an_error_that_names_it(folder: Path, tmp_path: Path):
    import_pictures(folder, tmp_path / "shards")
    shard = tmp_path / "shards" / "00000.tar"
    shard.write_bytes(shard.read_bytes()[:-700])
    with pytest.raises(DataError, match=r"00000\.tar: is truncated"):
        inspect_data(str(tmp_path / "shards"))
