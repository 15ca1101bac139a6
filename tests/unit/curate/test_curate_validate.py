"""`data validate`: a zoo of broken shards, each found under its name; and a sound set of which nothing is said."""

import gzip
import hashlib
import io
import json
import os
import random
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tar_files import write_tar
from typer.testing import CliRunner

from t2igan.cli.data import app
from t2igan.curate.bucket.run import bucket_shards
from t2igan.curate.config import ScoreConfig
from t2igan.curate.embed.run import embed_shards
from t2igan.curate.engine import Workers
from t2igan.curate.score.facts import CUT_OFF
from t2igan.curate.scoring import score_shards
from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.curate.table import FACTS, Source, make_table, read_table, to_bytes
from t2igan.curate.validate import across
from t2igan.curate.validate.findings import Example, Finding, Findings, from_json, printable, to_json
from t2igan.curate.validate.kinds import KINDS, kind_of
from t2igan.curate.validate.report import MAX_PLACES, Report
from t2igan.curate.validate.run import validate_shards
from t2igan.data.tars import index_tar
from t2igan.errors import DataError
from t2igan.text.config import HashingConfig

ONE = Workers(count=1)
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png() -> bytes:
    return encoded(Image.fromarray(PIXELS))


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 900 million pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def animated() -> bytes:
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    return encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


def phone() -> bytes:
    """A JPEG with a second picture behind it, as phones write them; Pillow calls it MPO."""
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    return encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])


def sideways() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(PIXELS), "JPEG", exif=exif.tobytes())


def sixteen_bit() -> bytes:
    return encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257))


def sample(key: str, image: bytes | None = None, suffix: str = "png", **fields) -> list[tuple[str, bytes]]:
    found = [(f"{key}.{suffix}", png() if image is None else image), (f"{key}.txt", f"a {key}".encode())]
    return [*found, (f"{key}.json", json.dumps(fields).encode())] if fields else found


def validate(source: object, **options):
    return validate_shards(str(source), **({"workers": ONE, "is_quiet": True} | options))


def found(source: object, **options) -> dict[str, tuple[str, int, list[str]]]:
    """Kind -> level, count, names of the first samples."""
    return {
        f["what"]: (f["level"], f["count"], [s["sample"] for w in f["where"] for s in w["samples"]])
        for f in validate(source, **options)["findings"]
    }


ZOO = {
    "no image": ([("x.txt", b"a x")], "no image member"),
    "no txt": ([("x.png", png())], "no caption"),
    "blank txt": ([("x.png", png()), ("x.txt", b" \n")], "no caption"),
    "latin txt": ([("x.png", png()), ("x.txt", b"caf\xe9")], "caption is not UTF-8"),
    "10 MB txt": ([("x.png", png()), ("x.txt", b"x" * 10_000_000)], "member too large"),
    "cut json": ([("x.png", png()), ("x.json", b'{"caption": "a')], "unreadable .json"),
    "nested json": ([("x.png", png()), ("x.json", b"[" * 99_999)], "unreadable .json"),
    "zero bytes": (sample("x", b""), "empty image"),
    "text": (sample("x", b"this is a web page", "jpg"), "not a JPEG, PNG or WebP image"),
    "gif": (sample("x", encoded(Image.fromarray(PIXELS), "GIF"), "jpg"), "not a JPEG, PNG or WebP image"),
    "cut jpeg": (sample("x", encoded(Image.fromarray(PIXELS), "JPEG")[:-200], "jpg"), "does not decode"),
    "bomb": (sample("x", bomb()), "too many pixels"),
    "duplicate key": ([*sample("x"), *sample("x")], "duplicate key"),
    "links out": (sample("../x"), "dangerous name"),
    "absolute": (sample("/etc/x"), "dangerous name"),
    "windows": (sample("C:\\x"), "dangerous name"),
    "backslashes": (sample("\\\\host\\x"), "dangerous name"),
    "wrong checksum": (sample("x", t2igan={}, sha256="0" * 64), "sha256 differs"),
    # what training reads all the same
    "cmyk": (sample("x", encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"), "jpg"), "CMYK"),
    "16 bits": (sample("x", sixteen_bit()), "16 bits a channel"),
    "exif": (sample("x", sideways(), "jpg"), "turned by EXIF"),
    "animated": (sample("x", animated(), "webp"), "animated"),
    "phone": (sample("x", phone(), "jpg"), "animated"),
    "alpha": (sample("x", encoded(Image.fromarray(PIXELS).convert("RGBA"))), "transparent"),
    "png named jpg": (sample("x", png(), "jpg"), "extension is not the content's"),
    "white": (sample("x", encoded(Image.new("RGB", (9, 9), "white"))), "constant image"),
    "noted exif": (sample("x", exif='{"Image Orientation": "Rotated 90 CW"}'), "EXIF orientation lost"),
    "apart": ([("x.png", png()), *sample("y"), ("x.txt", b"a x")], "members apart"),
    "two images": ([*sample("x"), ("x.jpg", encoded(Image.fromarray(PIXELS), "JPEG"))], "several images in a sample"),
    "pyd": ([*sample("x"), ("x.pyd", b"cos\nsystem\n(S'touch ran'\ntR.")], "suffix that nobody reads"),
    "dotted": ([("x.input.jpg", png()), *sample("x")], "suffix that nobody reads"),
    "readme": ([*sample("x"), ("README", b"")], "name without a suffix"),
}  # fmt: skip
REMARKS = {
    "CMYK", "16 bits a channel", "turned by EXIF", "animated", "transparent", "extension is not the content's",
    "constant image", "EXIF orientation lost", "members apart", "several images in a sample", "suffix that nobody reads",
    "name without a suffix",
}  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_each_animal_of_the_zoo_is_found_under_its_name_and_nothing_else_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members, kind = ZOO[name]
    write_tar(tmp_path / "0.tar", [*sample("good"), *members])
    ((what, (level, count, samples)),) = found(tmp_path).items()
    assert (what, level) == (kind, "remark" if kind in REMARKS else "error")
    assert count == (2 if kind == "dangerous name" else 1)  # both members of the sample have the name
    assert not any("good" in sample for sample in samples)
    assert [path.name for path in tmp_path.iterdir()] == ["0.tar"]  # nothing was unpacked, nothing has run
    assert not Path("/etc/x.png").exists()


def test_a_sound_set_with_all_its_files_gives_no_finding(tmp_path):
    for i in range(2):
        write_tar(tmp_path / "in" / f"0000{i}.tar", [m for n in range(3) for m in sample(f"{i}{n}")])
    bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[16], workers=ONE, is_quiet=True)
    embed_shards(str(tmp_path / "out/16"), conditioner=HashingConfig(dim=8), workers=ONE, is_quiet=True)
    write_scores(tmp_path / "out/16/00000.tar")
    assert validate(tmp_path / "out/16") == {
        "shards": 2,
        "samples": 6,
        "errors": 0,
        "remarks": 0,
        "findings": [],
    }


def write_scores(shard: Path, **changed) -> Path:
    """A score table of a shard."""
    entries = index_tar(shard)
    columns = {
        name: [
            changed.get(name, e.key if name == "key" else "" if str(kind) == "string" else 0) for e in entries
        ]
        for name, kind in FACTS.items()
    }
    columns["decoded"] = [True] * len(entries)
    data = shard.read_bytes()
    source = Source(shard.name, len(data), changed.get("sha256", hashlib.sha256(data).hexdigest()))
    path = shard.with_name(f"{shard.stem}.scores.parquet")
    path.write_bytes(to_bytes(make_table(columns, source, {})))
    return path


@pytest.mark.parametrize(
    ("damage", "kind", "samples"),
    [
        (lambda data: b"", "empty file", 0),
        (lambda data: gzip.compress(data), "compressed tar", 0),
        (lambda data: data[: len(data) // 2 // 512 * 512 + 100], "damaged tar", None),
        (lambda data: b"not a tar, but long" * 100, "damaged tar", 0),
        (lambda data: bytes(10240), "no samples", 0),
    ],
    ids=["empty", "gzip", "cut", "text", "no members"],
)
def test_a_broken_tar_is_named(damage, kind, samples, tmp_path):
    path = write_tar(tmp_path / "a.tar", [m for n in range(9) for m in sample(f"{n}")])
    path.write_bytes(damage(path.read_bytes()))
    summary = validate(tmp_path)
    assert kind in {f["what"] for f in summary["findings"] if f["level"] == "error"}
    assert samples in (None, summary["samples"])


def test_a_sample_that_is_cut_off_is_named(tmp_path):
    path = write_tar(tmp_path / "a.tar", [*sample("a"), *sample("b")])
    at = index_tar(path)[1].members["png"][0]
    path.write_bytes(path.read_bytes()[: at + 40])
    assert found(tmp_path)[CUT_OFF] == ("error", 1, ["b"])


def test_links_and_devices_are_named_and_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in sample("a"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, kind in (
            ("x.png", tarfile.SYMTYPE),
            ("y.png", tarfile.LNKTYPE),
            ("z.png", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("folder"), None)
    report = found(tmp_path)
    assert report["link or device"] == ("error", 3, ["x.png", "y.png", "z.png"])


def test_headers_are_enough_for_what_needs_no_pixels(tmp_path):
    cut = encoded(Image.fromarray(PIXELS), "JPEG")[:-200]
    white = encoded(Image.new("RGB", (9, 9), "white"))
    members = [
        *sample("cut", cut, "jpg"),
        *sample("white", white),
        *sample("bomb", bomb()),
        *sample("gif", b"GIF89a"),
    ]
    write_tar(tmp_path / "a.tar", members)
    assert set(found(tmp_path, decodes=False)) == {"too many pixels", "not a JPEG, PNG or WebP image"}
    assert set(found(tmp_path)) == {
        "too many pixels",
        "not a JPEG, PNG or WebP image",
        "does not decode",
        "constant image",
    }


def test_a_checksum_of_img2dataset_is_of_other_bytes_and_not_compared(tmp_path):
    write_tar(tmp_path / "a.tar", sample("a", sha256="0" * 64, url="https://x"))
    assert found(tmp_path) == {}


def test_an_orientation_that_the_image_still_has_is_not_lost(tmp_path):
    exif = '{"Image Orientation": "Rotated 90 CW"}'
    write_tar(tmp_path / "in" / "a.tar", sample("a", sideways(), "jpg", exif=exif))
    assert set(found(tmp_path / "in")) == {"turned by EXIF"}
    bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[16], workers=ONE, is_quiet=True)
    assert found(tmp_path / "out/16") == {}


@pytest.mark.parametrize(
    "exif", ["{", '{"Image Orientation": "Horizontal (normal)"}', "[1]", '{"Orientation": 1}', 7, None]
)
def test_an_orientation_that_says_upright_or_nothing_is_no_loss(exif, tmp_path):
    write_tar(tmp_path / "a.tar", sample("a", exif=exif))
    assert found(tmp_path) == {}


def test_statistics_that_do_not_fit_their_tar_are_named(tmp_path):
    for i in range(5):
        write_tar(tmp_path / f"{i}.tar", sample(str(i)))
    for i, text in enumerate(('{"successes": 1}', '{"successes": 2}', "{", "[]")):
        (tmp_path / f"{i}_stats.json").write_text(text)
    (tmp_path / "6_stats.json").write_text('{"successes": 3}')
    (tmp_path / "7_stats.json").write_text('{"successes": 0}')  # nothing was kept: no tar is right
    assert found(tmp_path) == {
        "_stats.json disagrees": ("error", 1, ["1_stats.json"]),
        "_stats.json unreadable": ("error", 2, ["2_stats.json", "3_stats.json"]),
        "no _stats.json": ("error", 1, ["4.tar"]),
        "shard missing": ("error", 1, ["6.tar"]),
        "gap in shard numbers": ("remark", 1, ["5"]),
    }


def test_bytes_that_changed_since_they_were_written_are_named(tmp_path):
    write_tar(tmp_path / "in" / "0.tar", [*sample("a"), *sample("b")])
    bucket_shards(str(tmp_path / "in"), str(tmp_path / "out"), sizes=[16], workers=ONE, is_quiet=True)
    path = tmp_path / "out/16/0.tar"
    at, _ = index_tar(path)[0].members["txt"]
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert set(found(path.parent)) == {"_stats.json disagrees"}


def test_score_tables_that_do_not_fit_are_named(tmp_path):
    for name, changed in (("0", {}), ("1", {"key": "other"}), ("2", {"sha256": "0" * 64}), ("3", {})):
        write_scores(write_tar(tmp_path / f"{name}.tar", sample(name)), **changed)
    write_tar(tmp_path / "3.tar", [*sample("3"), *sample("4")])
    write_tar(tmp_path / "4.tar", sample("5")).with_name("4.scores.parquet").write_bytes(b"PAR1 and no table")
    level, count, samples = found(tmp_path)["score table does not fit"]
    assert (level, count, samples) == ("error", 4, [f"{n}.scores.parquet" for n in (1, 2, 3, 4)])


def test_text_embeddings_that_do_not_fit_are_named(tmp_path):
    for n in range(5):
        write_tar(tmp_path / f"{n}.tar", sample(str(n)))
    embed_shards(str(tmp_path), conditioner=HashingConfig(dim=8), workers=ONE, is_quiet=True)
    write_tar(tmp_path / "1.tar", [("1.png", png()), ("1.txt", b"b 1")])  # of the same size
    write_tar(tmp_path / "2.tar", [*sample("2"), *sample("2b")])
    (tmp_path / "3.text-hashing-8.safetensors").write_bytes(b"\x09")
    path = tmp_path / "4.text-hashing-8.safetensors"
    path.write_bytes(path.read_bytes()[:-40] + struct.pack("<qq", 1, 9) + path.read_bytes()[-24:])
    (tmp_path / "9.text-hashing-8.safetensors").write_bytes(b"")
    report = validate(tmp_path)["findings"]
    details = [
        s["detail"]
        for f in report
        if f["what"] == "text embeddings do not fit"
        for w in f["where"]
        for s in w["samples"]
    ]
    assert len(details) == 4
    assert details[0] == "was made from other captions"
    assert "rows" in details[1] or "bytes" in details[1]
    assert found(tmp_path)["belongs to no shard"] == ("remark", 1, ["9.text-hashing-8.safetensors"])


def test_a_data_set_that_is_not_finished_is_named(tmp_path):
    write_tar(tmp_path / "0.tar", sample("a"))
    (tmp_path / ".t2igan").mkdir()
    for text, kind in (
        ('{"is_complete": false}', "data set incomplete"),
        ('{"is_complete": true, "samples": 9, "kept": 3}', "dataset.json disagrees"),
        ("[]", "dataset.json unreadable"),
        ("[" * 99_999, "dataset.json unreadable"),
    ):
        (tmp_path / ".t2igan" / "dataset.json").write_text(text)
        assert found(tmp_path) == {kind: ("error", 1, [".t2igan/dataset.json"])}
    (tmp_path / ".t2igan" / "dataset.json").write_text('{"is_complete": true, "samples": 9, "kept": 1}')
    assert found(tmp_path) == {}


def test_leftovers_of_killed_runs_are_named(tmp_path):
    write_tar(tmp_path / "0.tar", sample("a"))
    (tmp_path / ".1.tar.host.7.tmp").write_bytes(b"half")
    (tmp_path / "_tmp").mkdir()
    assert found(tmp_path) == {"leftover of a killed run": ("remark", 2, [".1.tar.host.7.tmp", "_tmp"])}


def test_a_key_in_two_shards_is_an_error_and_in_two_folders_a_remark(tmp_path):
    write_tar(tmp_path / "a" / "0.tar", [*sample("x"), *sample("y")])
    write_tar(tmp_path / "a" / "1.tar", [*sample("z"), *sample("y")])
    write_tar(tmp_path / "b" / "0.tar", [*sample("y"), *sample("w")])
    assert found(f"{tmp_path}/a::{tmp_path}/b") == {
        "key in several shards": ("error", 1, ["y"]),
        "key in several folders": ("remark", 1, ["y"]),
    }
    detail = validate(f"{tmp_path}/a::{tmp_path}/b")["findings"][0]["where"][0]
    assert detail["shard"] == f"{tmp_path}/a/1.tar"
    assert detail["samples"][0]["detail"] == f"also in {tmp_path}/a/0.tar"


def test_keys_that_repeat_are_found_in_parts_on_disk_as_in_memory(monkeypatch):
    draw = np.random.default_rng(0)
    shards = [Shard(nowhere(n), f"{n}.tar", str(n)) for n in range(40)]
    keys = draw.integers(0, 2**64, (40, 50), dtype=np.uint64)
    for _ in range(60):
        keys[tuple(draw.integers(0, (40, 50)))] = keys[tuple(draw.integers(0, (40, 50)))]
    counts = []
    for size, part in ((10_000, 1 << 21), (50, 64)):
        monkeypatch.setattr(across, "A_SHARD", size)
        monkeypatch.setattr("t2igan.curate.spill.PART", part)
        with across.KeysAcross(shards) as known:
            for number in draw.permutation(40):
                known.add(int(number), keys[number])
            counts.append({n: f.all() for n, f in known.find().items()})
    assert counts[0] == counts[1]
    first = {key: min(np.nonzero((keys == key).any(1))[0]) for key in np.unique(keys)}
    expected = sum(int(first[key]) != number for number in range(40) for key in keys[number])
    assert expected > 30
    assert sum(f.count for found in counts[0].values() for f in found) == expected


def nowhere(number: int) -> Folder:
    """A folder that does not exist: names of keys cannot be looked up there."""
    return Folder(f"/nonexistent/{number % 2}")


def test_the_report_does_not_depend_on_the_workers_or_on_a_run_that_was_killed(tmp_path):
    for n, name in enumerate(("bomb", "no txt", "cmyk", "duplicate key")):
        write_tar(tmp_path / "in" / f"0000{n}.tar", [*sample(f"good{n}"), *ZOO[name][0]])
    expected = validate(tmp_path / "in")
    kept = tmp_path / "kept"
    assert validate(tmp_path / "in", kept=str(kept), workers=Workers(count=2)) == expected
    names = {path.name: path.read_bytes() for path in kept.iterdir()}
    assert set(names) == {f"0000{n}.validated.json" for n in range(4)}
    (kept / "00001.validated.json").unlink()
    (kept / "00002.validated.json").write_text("{")
    stamp = (kept / "00000.validated.json").stat().st_mtime_ns
    assert validate(tmp_path / "in", kept=str(kept)) == expected
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == names
    assert (kept / "00000.validated.json").stat().st_mtime_ns == stamp
    write_tar(tmp_path / "in" / "00003.tar", sample("good"))
    after = validate(tmp_path / "in", kept=str(kept))
    assert "duplicate key" not in {f["what"] for f in after["findings"]}


def test_urls_give_what_local_folders_give(tmp_path):
    import fsspec

    path = write_tar(tmp_path / "0.tar", [*sample("good"), *ZOO["bomb"][0]])
    fsspec.filesystem("memory").pipe("/validate-in/0.tar", path.read_bytes())
    assert validate("memory://validate-in")["errors"] == 1


def test_mutated_tars_never_end_in_a_traceback(tmp_path):
    draw = random.Random(0)
    whole = write_tar(
        tmp_path / "whole", [m for members, _ in list(ZOO.values())[:3] for m in members] + sample("a")
    )
    data = whole.read_bytes()
    for n in range(60):
        mutated = bytearray(data)
        for _ in range(draw.choice((1, 4, 30))):
            mutated[draw.randrange(len(mutated) if n % 2 else 600)] = draw.randrange(256)
        (tmp_path / f"{n:05d}.tar").write_bytes(
            mutated[: draw.choice((len(mutated), draw.randrange(len(mutated))))]
        )
    summary = validate(tmp_path)
    assert summary["shards"] == 60
    assert not [f for f in summary["findings"] if f["what"] == "could not be checked"]


def test_headers_that_nest_for_ever_are_damage(tmp_path):
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 512
    (tmp_path / "a.tar").write_bytes((long_name.tobuf() + b"x" * 512) * 3000 + bytes(1024))
    assert "damaged tar" in found(tmp_path)


def test_names_from_the_data_are_shown_without_what_a_terminal_obeys(tmp_path):
    write_tar(tmp_path / "a.tar", [("\x1b[2J[red]x.txt", b"a")])
    (name,) = found(tmp_path)["no image member"][2]
    assert name == "\\x1b[2J[red]x"
    assert printable("x" * 999).endswith("...")
    assert len(printable("\0" * 999)) == 160
    assert printable("\udc80") == "\\udc80"


def test_a_set_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no \.tar"):
        validate(tmp_path)


def test_a_shard_that_cannot_be_opened_is_named_and_the_others_are_checked(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    write_tar(tmp_path / "0.tar", sample("a")).chmod(0)
    write_tar(tmp_path / "1.tar", sample("b"))
    assert set(found(tmp_path)) == {"could not be checked"}


def test_a_report_names_the_first_places_whatever_the_order():
    places = [f"{n:05d}.tar" for n in range(3 * MAX_PLACES)]
    reports = []
    for seed in range(2):
        report = Report()
        for place in random.Random(seed).sample(places, len(places)):
            report.add(place, [Finding("no caption", 2, (Example("x", ""),))])
        reports.append(report.kinds())
    assert reports[0] == reports[1]
    assert [w["shard"] for w in reports[0][0]["where"]] == places[:MAX_PLACES]
    assert (reports[0][0]["count"], reports[0][0]["shards"]) == (6 * MAX_PLACES, 3 * MAX_PLACES)


def test_findings_survive_being_written_down():
    findings = Findings()
    findings.add("no caption", "\ud800", ValueError("x"))
    for n in range(9):
        findings.add("CMYK", str(n))
    assert from_json(json.loads(json.dumps(to_json(findings.all())))) == findings.all()
    assert [f.count for f in findings.all()] == [1, 9]


def test_every_reason_of_a_bad_sample_is_a_kind():
    for reason in ("no caption", ".txt too large", ".json too large", "something new"):
        assert kind_of(reason) in KINDS


def test_the_command_ends_with_code_4_if_there_is_an_error(tmp_path):
    write_tar(tmp_path / "0.tar", [*sample("good"), *[m for n in range(7) for m in sample(f"[red]{n}", b"")]])
    write_tar(tmp_path / "1.tar", ZOO["cmyk"][0])
    done = CliRunner().invoke(app, ["validate", str(tmp_path), "--workers", "1"], env={"COLUMNS": "250"})
    assert done.exit_code == 4
    assert "9 samples in 2 shards: 7 errors, 1 remarks" in done.stdout
    assert "[red]0: .png" in done.stdout
    assert "and 4 more" in done.stdout
    only_remarks = CliRunner().invoke(app, ["validate", f"{tmp_path}/1.tar", "--json"])
    assert only_remarks.exit_code == 0
    assert json.loads(only_remarks.stdout)["findings"][0]["what"] == "CMYK"


def test_a_picture_of_a_phone_is_scored_as_a_jpeg(tmp_path):
    write_tar(tmp_path / "0.tar", [*sample("a", phone(), "jpg"), *sample("b")])
    summary = score_shards(str(tmp_path), config=ScoreConfig(), workers=ONE, is_quiet=True)
    assert (summary["samples"], summary["problems"]) == (2, 0)
    table = read_table((tmp_path / "0.scores.parquet").read_bytes(), "0")
    assert table.columns["format"].to_pylist() == ["jpg", "png"]
    assert found(tmp_path) == {"animated": ("remark", 1, ["a"])}
