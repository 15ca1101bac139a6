"""Folders, local and behind URLs: files are there whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from fsspec import AbstractFileSystem

from t2igan.curate.shards import list_shards
from t2igan.curate.storage import Folder
from t2igan.errors import DataError


@pytest.fixture(params=["local", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    places = {
        "local": str(tmp_path / "a b"),
        "file": f"file://{tmp_path}/c",
        "memory": f"memory://{uuid4().hex}",
    }
    return Folder(places[request.param])


def test_what_was_put_is_read_listed_sized_fetched_and_removed(folder: Folder):
    assert folder.names() == set()
    assert not folder.has("x")
    folder.put("x", b"abc")
    folder.put("x", b"abcd")
    assert (folder.names(), folder.has("x"), folder.size("x"), folder.read("x")) == ({"x"}, True, 4, b"abcd")
    with folder.fetched("x") as path:
        assert path.read_bytes() == b"abcd"
    folder.remove("x")
    folder.remove("x")
    assert folder.names() == set()


def test_a_write_that_fails_leaves_what_was_there(folder: Folder):
    folder.put("x", b"old")

    def fail() -> None:
        with folder.writing("x") as path:
            path.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (folder.names(), folder.read("x")) == ({"x"}, b"old")


def test_a_missing_file_is_named_with_its_address(folder: Folder):
    with pytest.raises(DataError, match=r"nothing\.txt: cannot be read"):
        folder.read("nothing.txt")


def test_an_unknown_kind_of_url_says_what_to_install():
    with pytest.raises(DataError, match="Install fsspec's package"):
        Folder("nonsense://bucket/x").names()


def test_leftovers_of_dead_processes_of_this_machine_are_swept(tmp_path: Path):
    folder = Folder(str(tmp_path))
    with folder.writing("a.tar") as path:
        path.write_bytes(b"")
        mine = path.name
        others = {mine, re.sub(r"\.\w+\.\d+\.tmp$", ".elsewhere.1.tmp", mine), "b.tar"}
        dead = mine.replace(f".{os.getpid()}.", ".999999999.")
        for name in {*others, dead}:
            (tmp_path / name).touch()
        folder.sweep()
        assert folder.names() == others


def test_shards_of_folders_patterns_and_several_places_are_found_in_order(tmp_path: Path):
    for name in ("a/00000.tar", "a/00001.tar", "a/00000_stats.json", "b/00000.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for start in (f"{tmp_path}", f"file://{tmp_path}"):
        for pattern in (f"{start}/a", f"{start}/a/*.tar", f"{start}/a/{{00000..00001}}.tar"):
            found = list_shards(pattern)
            assert [(shard.name, shard.stem) for shard in found] == [
                ("00000.tar", "00000"),
                ("00001.tar", "00001"),
            ]
            assert {shard.folder.url for shard in found} == {f"{start}/a"}
        several = list_shards(f"{start}/b::{start}/a")  # the same names: numbered anew
        assert [shard.stem for shard in several] == ["00000", "00001", "00002"]
        assert [shard.where for shard in several] == [
            f"{start}/{n}.tar" for n in ("b/00000", "a/00000", "a/00001")
        ]


def test_a_place_without_shards_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match=r"no \.tar"):
        list_shards(f"file://{tmp_path}")


class NoCredentialsError(Exception):
    """As botocore's, which is no OSError."""

    __module__ = "botocore.exceptions"


class Locked(AbstractFileSystem):
    """A bucket whose door stays shut."""

    protocol = "locked"

    def ls(self, path: str, detail: bool = True, **kwargs: object) -> list[object]:
        raise NoCredentialsError("Unable to locate credentials")


def test_a_bucket_without_credentials_is_one_line_and_no_traceback():
    fsspec.register_implementation("locked", Locked, clobber=True)
    with pytest.raises(
        DataError, match=r"locked://bucket/x: cannot be read \(Unable to locate credentials\)"
    ):
        list_shards("locked://bucket/x")


def test_a_folder_that_cannot_be_written_is_known_beforehand(tmp_path: Path):
    (tmp_path / "file").touch()
    assert Folder(str(tmp_path / "new" / "er")).is_writable
    assert not Folder(str(tmp_path / "file" / "x")).is_writable
