"""The emoji: packages of npm, read in place, joined by code points. The packages here are made by the test."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from test_data_hostile import encoded
from test_data_import import samples

from t2igan.data import npm
from t2igan.data.fluent_emoji import NAMES, PICTURES, captions_of, find_emoji, read_emojis, split_of_motif
from t2igan.data.fluent_emoji import write_fluent_emoji as write
from t2igan.errors import DataError, UsageError

TABLE = [
    {"label": "flute", "hexcode": "1FA88", "tags": ["band", "FIFE", "143", "CU", "flute", "music"]},
    {
        "label": "waving hand",
        "hexcode": "1F44B",
        "tags": ["bye"],
        "skins": [{"label": "waving hand: dark skin tone", "hexcode": "1F44B-1F3FF"}],
    },
    {"label": "heart", "hexcode": "2764-FE0F"},
    {"label": "gear", "hexcode": "2699"},
]


def archive(path: Path, spec: str, files: dict[str, bytes]) -> Path:
    name, _, version = spec.rpartition("@")
    about = json.dumps({"name": name, "version": version}).encode()
    with tarfile.open(path, "w:gz") as tar:
        for member, data in (files | {"package.json": about}).items():
            info = tarfile.TarInfo(f"package/{member}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def webp(color: str) -> bytes:
    return encoded(Image.new("RGBA", (32, 32), color), "WEBP", lossless=True)


@pytest.fixture
def archives(tmp_path) -> list[Path]:
    stems = ("1fa88", "1f44b", "1f44b-1f3ff", "2764", "2699-fe0f", "dead")
    pictures = {f"assets/{stem}.webp": webp("red") for stem in stems}
    others = {"../../escaped.webp": b"x", "index.js": b"throw 1"}
    table = {"en/data.json": json.dumps(TABLE).encode(), "LICENSE": b"MIT\n\nCopyright (c) 2017 A. Person\n"}
    return [
        archive(tmp_path / "names.tgz", NAMES, table | {"de/data.json": b"?"}),
        archive(tmp_path / "pictures.tgz", PICTURES, others | pictures),
    ]


def test_pictures_with_a_name_are_written_and_the_others_counted(archives, tmp_path):
    report = write(tmp_path / "out", archives=archives, size=16)
    assert (report["seen"], report["samples"]) == (6, 5)
    assert report["skipped"] == {"no name in emojibase-data": 1}
    assert sum(report["splits"].values()) == 5
    found = [s for path in sorted((tmp_path / "out").rglob("*.tar")) for s in samples(path)]
    captions = {fields["file_name"]: fields["captions"] for fields, _ in found}
    assert captions["1fa88.webp"] == ["flute", "flute: band, FIFE, music"]
    assert captions["1f44b-1f3ff.webp"] == ["waving hand: dark skin tone", "waving hand: dark skin tone; bye"]
    assert {image.size for _, image in found} == {(16, 16)}
    assert not list(tmp_path.rglob("*escaped*"))


def test_the_licence_stands_beside_the_shards_and_nothing_else(archives, tmp_path):
    write(tmp_path / "out", archives=archives)
    for split in (tmp_path / "out").iterdir():
        assert {path.name for path in split.iterdir()} == {".t2igan", "00000.tar", "00000_stats.json"}
        text = (split / ".t2igan" / "LICENSE.txt").read_text()
        record = json.loads((split / ".t2igan" / "dataset.json").read_bytes())
        assert (record["licence"], record["licence_text"]) == ("MIT", text)
        assert "Microsoft" in text
        assert "Copyright (c) 2017 A. Person" in text
        assert set(record["settings"]["packages"]) == {PICTURES, NAMES}


def test_a_second_run_gives_the_same_bytes(archives, tmp_path):
    write(tmp_path / "out", archives=archives, size=16)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.tar")}
    write(tmp_path / "out", archives=archives[::-1], size=16)
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.tar")}


def test_skin_tones_have_the_split_of_their_motif_and_a_tenth_of_motifs_is_for_testing():
    emojis = read_emojis(TABLE)
    assert emojis["1f44b-1f3ff"].motif == emojis["1f44b"].motif
    share = sum(split_of_motif(str(i)) == "test" for i in range(5000)) / 5000
    assert share == pytest.approx(26 / 256, abs=0.02)  # first bytes 0, 10, ... 250


def test_the_variation_selector_makes_no_difference_where_the_table_leaves_it_out():
    emojis = read_emojis(TABLE)
    assert find_emoji(emojis, "2699-FE0F") == find_emoji(emojis, "2699") == emojis["2699"]
    assert find_emoji(emojis, "2764-fe0f") == find_emoji(emojis, "2764") == emojis["2764-fe0f"]
    assert find_emoji(emojis, "1") is None
    assert captions_of(emojis["2699"]) == ["gear"]


def test_other_versions_and_missing_packages_are_named(archives, tmp_path):
    other = archive(tmp_path / "other.tgz", "emojibase-data@16.0.0", {})
    with pytest.raises(
        DataError, match=r"emojibase-data@17\.0\.0 not given; the archives are emojibase-data@16"
    ):
        write(tmp_path / "out", archives=[other, archives[1]])
    with pytest.raises(DataError, match=r"@lobehub/fluent-emoji-3d@1\.1\.0 not given"):
        write(tmp_path / "out", archives=archives[:1])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-40], lambda d: b"", lambda d: b"text", lambda d: gzip.compress(b"x" * 999)]
)
def test_a_damaged_archive_is_an_error_that_names_it(archives, tmp_path, damage):
    archives[0].write_bytes(damage(archives[0].read_bytes()))
    with pytest.raises(DataError, match=r"names\.tgz: not a readable npm package"):
        write(tmp_path / "out", archives=archives)


def test_a_bomb_is_stopped_before_it_fills_the_memory(archives, tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "MAX_UNPACKED", 10**6)
    archive(archives[0], NAMES, {"unwanted.bin": bytes(10**7)})
    with pytest.raises(DataError, match="unpacks to more than 1000000 bytes"):
        write(tmp_path / "out", archives=archives)


def test_a_table_of_another_form_is_an_error(archives, tmp_path):
    archive(archives[0], NAMES, {"en/data.json": b'[{"name": "flute"}]'})
    with pytest.raises(DataError, match="not the table that is known"):
        write(tmp_path / "out", archives=archives)


def test_without_npm_the_error_says_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError) as caught:
        write(tmp_path / "out")
    assert PICTURES in str(caught.value)
    assert NAMES in str(caught.value)
    assert "--archive" in str(caught.value)
    with pytest.raises(UsageError, match="at least 8"):
        write(tmp_path / "out", size=4)


def test_what_npm_says_is_passed_on_when_it_fails(tmp_path, monkeypatch):
    fake = tmp_path / "npm"
    fake.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(
        DataError, match=r"could not fetch the packages \(npm error code ENOTFOUND\).*--archive"
    ):
        write(tmp_path / "out")
