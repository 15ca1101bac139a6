"""Zips of pictures, read in place: good ones give what the folder gives, hostile ones write nothing anywhere."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from test_data_hostile import bomb, encoded, png
from test_data_import import samples

from t2igan.data import archive
from t2igan.data.importer import import_pictures
from t2igan.data.inspect import inspect_data
from t2igan.data.listing.find import Captions
from t2igan.errors import DataError


def write_zip(path: Path, members: dict[str, bytes], *, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def pair(stem: str, caption: str = "a cat") -> dict[str, bytes]:
    return {f"{stem}.png": png(), f"{stem}.txt": caption.encode()}


def test_a_zip_gives_the_same_shards_as_its_folder(tmp_path):
    members = pair("a") | {"sub/b.jpg": encoded(Image.new("RGB", (60, 40)), "JPEG"), "sub/b.txt": b"a dog"}
    for name, data in members.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    write_zip(tmp_path / "in.zip", dict(reversed(members.items())))
    for name in ("in", "in.zip"):
        import_pictures(tmp_path / name, tmp_path / f"out_{name}", size=16)
    assert (tmp_path / "out_in" / "00000.tar").read_bytes() == (
        tmp_path / "out_in.zip" / "00000.tar"
    ).read_bytes()


def test_captions_in_a_zip_may_lie_in_its_only_folder_or_be_named(tmp_path):
    table = b"image,text\na.png,from csv\n"
    source = write_zip(
        tmp_path / "a.zip", {"data/a.png": png(), "data/captions.csv": table, "__MACOSX/._a.png": b"x"}
    )
    assert import_pictures(source, tmp_path / "x")["seen"] == 1
    source = write_zip(tmp_path / "b.zip", {"p/a.png": png(), "q/words.csv": table})
    import_pictures(source, tmp_path / "y", captions=Captions("q/words.csv"))
    ((fields, _),) = samples(tmp_path / "y" / "00000.tar")
    assert (fields["caption"], fields["file_name"]) == ("from csv", "p/a.png")


def test_a_stylegan_zip_is_read_with_its_captions(tmp_path):
    labels = b'{"labels": [["00000/img00000000.png", "a cat"], ["00000/img00000001.png", "a dog"]]}'
    members = {f"00000/img0000000{i}.png": png((i, 0, 0)) for i in range(2)}
    report = import_pictures(
        write_zip(tmp_path / "a.zip", members | {"dataset.json": labels}), tmp_path / "out"
    )
    assert (report["samples"], report["skipped"]) == (2, {})


def test_a_zip_can_be_inspected(tmp_path):
    found = inspect_data(str(write_zip(tmp_path / "a.zip", pair("a") | pair("b"))))
    assert (found.kind, found.count, found.sizes) == ("folder", 2, ((32, 32), (32, 32)))


@pytest.mark.parametrize(
    "name", ["../escaped", "/escaped", "x/../../escaped", "C:/escaped", "C:escaped", "x\\..\\escaped"]
)
def test_names_that_lead_outside_are_counted_and_nothing_is_written_there(tmp_path, name):
    source = tmp_path / "in" / "deep" / "a.zip"
    source.parent.mkdir(parents=True)
    report = import_pictures(write_zip(source, pair("a") | pair(name)), tmp_path / "out")
    assert (report["samples"], report["skipped"]) == (1, {"outside the archive": 1})
    assert not list(tmp_path.rglob("*escaped*"))


def test_links_are_not_followed(tmp_path):
    link = zipfile.ZipInfo("b.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    source = write_zip(tmp_path / "a.zip", pair("a") | {"b.txt": b"a secret"})
    with zipfile.ZipFile(source, "a") as file:
        file.writestr(link, "/etc/hostname")
    assert import_pictures(source, tmp_path / "out")["skipped"] == {"a link in the archive": 1}


def test_of_duplicate_names_the_first_counts(tmp_path):
    source = write_zip(tmp_path / "a.zip", pair("a"))
    with zipfile.ZipFile(source, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("a.png", png((9, 9, 9)))
    report = import_pictures(source, tmp_path / "out")
    assert (report["seen"], report["skipped"]) == (2, {"duplicate name in the archive": 1})
    assert samples(tmp_path / "out" / "00000.tar")[0][1].getpixel((0, 0)) == (10, 20, 30)


def test_encrypted_members_are_counted(tmp_path):
    source = write_zip(tmp_path / "a.zip", pair("a") | pair("b"))
    data = bytearray(source.read_bytes())
    directory = data.index(
        b"PK\1\2", data.index(b"b.png") + 40
    )  # the member's entry of the directory at the end
    while data[directory + 46 : directory + 51] != b"b.png":
        directory = data.index(b"PK\1\2", directory + 4)
    data[directory + 8] |= 1
    source.write_bytes(data)
    report = import_pictures(source, tmp_path / "out")
    assert (report["samples"], report["skipped"]) == (1, {"encrypted": 1})


def test_a_damaged_member_is_counted(tmp_path):
    source = write_zip(tmp_path / "a.zip", pair("a") | pair("b"), packing=zipfile.ZIP_STORED)
    data = bytearray(source.read_bytes())
    data[data.index(b"b.png") + 60] ^= 255  # breaks the checksum
    source.write_bytes(data)
    report = import_pictures(source, tmp_path / "out")
    assert (report["samples"], report["skipped"]) == (1, {"cannot be read": 1})


def test_a_picture_bomb_and_a_member_over_the_limit_are_counted_by_their_claims(tmp_path, monkeypatch):
    monkeypatch.setitem(archive.__dict__, "MAX_RATIO", 10**6)
    members = pair("a") | {
        "b.png": bomb(20_000, 20_000),
        "b.txt": b"b",
        "c.png": png(),
        "c.txt": bytes(10_000_000),
    }
    report = import_pictures(write_zip(tmp_path / "a.zip", members), tmp_path / "out")
    assert report["skipped"] == {".txt too large": 1, "too many pixels": 1}


def test_a_member_that_holds_more_than_it_claims_is_read_no_further(tmp_path):
    source = write_zip(tmp_path / "a.zip", pair("a") | {"b.png": png(size=64), "b.txt": b"b"})
    data = source.read_bytes()
    with zipfile.ZipFile(source) as file:
        size = struct.pack("<I", file.getinfo("b.png").file_size)
    source.write_bytes(data.replace(size, struct.pack("<I", 50)))
    report = import_pictures(source, tmp_path / "out")
    assert (report["samples"], report["seen"]) == (1, 2)


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "SLACK", 0)
    source = write_zip(tmp_path / "a.zip", pair("a") | {"captions.csv": bytes(10_000_000)})
    with pytest.raises(DataError, match="a zip bomb"):
        import_pictures(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-30], lambda d: d[: len(d) // 2], lambda d: b"", lambda d: b"PK" * 99]
)
def test_a_truncated_zip_is_an_error_that_names_it(tmp_path, damage):
    source = write_zip(tmp_path / "a.zip", pair("a"))
    source.write_bytes(damage(source.read_bytes()))
    with pytest.raises(DataError, match=r"a\.zip: not a readable zip"):
        import_pictures(source, tmp_path / "out")
