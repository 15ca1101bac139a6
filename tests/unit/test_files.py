"""Files that are there whole or not at all, and what dead processes leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from t2igan.errors import T2IGanError
from t2igan.files import is_running, remove_abandoned, replace_durably, temporary_name, write_atomic


def dead_process() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_what_dead_processes_left_is_removed_and_nothing_else(tmp_path: Path):
    (tmp_path / "state").mkdir()
    dead, alive = dead_process(), os.getppid()
    left = [tmp_path / f".a.png.{dead}.tmp", tmp_path / "state" / f".000001.0.safetensors.{dead}.tmp"]
    mine = tmp_path / f".b.png.{os.getpid()}.tmp"  # of an earlier process with our number
    kept = [
        tmp_path / f".c.png.{alive}.tmp",
        tmp_path / f"d.png.{dead}.tmp",
        tmp_path / ".00001.tar.tmp",
        tmp_path / ".hidden",
        tmp_path / "state" / "000001.0.safetensors",
    ]
    for path in [*left, mine, *kept]:
        path.touch()
    assert remove_abandoned(tmp_path) == sorted([*left, mine])
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_a_missing_folder_has_nothing_to_remove(tmp_path: Path):
    assert remove_abandoned(tmp_path / "nothing") == []


def test_a_temporary_name_is_one_that_is_recognised_when_its_process_is_dead(tmp_path: Path):
    code = f"from pathlib import Path; from t2igan.files import temporary_name; temporary_name(Path({str(tmp_path / 'x')!r})).touch()"
    subprocess.run([sys.executable, "-c", code], check=True)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".x.")
    assert remove_abandoned(tmp_path) == [left]


def test_a_durable_replacement_is_the_new_file_under_the_old_name(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    temporary_name(path).write_text("new")
    replace_durably(temporary_name(path), path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "new")]


def test_a_file_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path: Path):
    (tmp_path / "folder").touch()
    with pytest.raises(T2IGanError, match="cannot be written"):
        write_atomic(tmp_path / "folder" / "a.txt", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_process_that_has_ended_is_not_running_although_nobody_asked_how():
    process = subprocess.Popen([sys.executable, "-c", "print()"], stdout=subprocess.PIPE)
    assert is_running(process.pid)
    assert process.stdout is not None
    process.stdout.read()  # until it ends
    deadline = time.monotonic() + 10
    while is_running(process.pid):
        assert time.monotonic() < deadline
    assert process.wait() == 0
    assert not is_running(process.pid)
