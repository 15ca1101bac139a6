"""A disk that is really full, for a while: training goes on, and saves as soon as it can."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file
from survival import OUTPUT, TRAIN, code_of, start, train, wait_until, write_recipe
from tiny import newest_state, tiny_recipe

from t2igan.train.saving import numbered_files

SIZE = 4_000_000  # bytes of the disk; a state has 1.1 million
BALLAST = 3_500_000
SETS = ("train.batch=20", "train.state_kimg=0.1", "train.tick_kimg=0.04", "samples.num_images=1")
TICKS = 8  # of two steps each, that the disk stays full; a state is due every five steps


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_said_once_and_the_checkpoint_written_at_a_tick_after_there_is_room(
    small_disk: Path, tmp_path: Path
):
    recipe = tiny_recipe(*SETS, "stages=[{resolution: 16, kimg: 0.8}]")
    write_recipe(tmp_path, recipe)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(BALLAST))
    process = start(tmp_path, (*TRAIN[:-1], "disk/run"))
    log = small_disk / "run" / "log.txt"

    def ticks_after_the_warning() -> int:
        text = log.read_text() if log.is_file() else ""
        return text.partition("warning: the checkpoint was not written")[2].count(" kimg ")

    assert wait_until(lambda: ticks_after_the_warning() >= TICKS, process)
    assert not numbered_files(small_disk / "run" / "state")
    ballast.unlink()
    assert code_of(process) == 0
    lines = (tmp_path / OUTPUT).read_text().splitlines()
    warned = [n for n, line in enumerate(lines) if "warning: the checkpoint was not written" in line]
    mended = [n for n, line in enumerate(lines) if "the checkpoint is written again, after" in line]
    assert len(warned) == len(mended) == 1
    num_steps = 2 * sum(line.startswith("kimg ") for line in lines[warned[0] : mended[0]])
    attempts = int(lines[mended[0]].split("after ")[1].split()[0])
    assert 2 <= attempts < num_steps  # again and again, but not at every step
    assert "No space left on device" in lines[warned[0]]
    assert "Traceback" not in "\n".join(lines)
    assert not list(small_disk.rglob("*.tmp"))

    whole = tmp_path / "whole"
    train(whole, recipe)
    mine, theirs = (load_file(newest_state(folder)) for folder in (small_disk / "run", whole / "run"))
    assert all(bool((mine[name] == theirs[name]).all()) for name in theirs)


def test_a_disk_that_stays_full_costs_the_end_of_the_run_and_not_its_past(small_disk: Path, tmp_path: Path):
    write_recipe(tmp_path, tiny_recipe(*SETS, "stages=[{resolution: 16, kimg: 0.1}]"))
    words = (*TRAIN[:-1], "disk/run")
    assert code_of(start(tmp_path, words)) == 0
    (before,) = numbered_files(small_disk / "run" / "state")
    content = before.read_bytes()
    used = sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file())
    (small_disk / "ballast").write_bytes(bytes(SIZE - used - 200_000))
    write_recipe(tmp_path, tiny_recipe(*SETS, "stages=[{resolution: 16, kimg: 0.3}]"))
    assert code_of(start(tmp_path, words)) == 1
    text = (tmp_path / OUTPUT).read_text()
    assert text.splitlines()[-1].startswith(
        "error: disk/run/snapshots/000000.3.safetensors: the finished network could"
    )
    assert text.count("warning: the checkpoint was not written") == 1
    assert numbered_files(small_disk / "run" / "state") == [before]
    assert before.read_bytes() == content
