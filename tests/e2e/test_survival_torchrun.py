"""A rank that is killed under torchrun: the group starts again from the last checkpoint and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from survival import TRAIN, code_of, start_ranks, write_recipe
from tiny import newest_state, tiny_recipe

from t2igan.recipe.schema import GanRecipe
from t2igan.train.saving import numbered_files

COUNT = 12  # steps
LAUNCH = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2")


def recipe() -> GanRecipe:
    """Steps of 100 images with a state each."""
    stages = f"stages=[{{resolution: 16, kimg: {COUNT / 10}}}]"
    return tiny_recipe("train.batch=100", "train.state_kimg=0.1", "samples.num_images=1", stages)


def pid_of_rank(rank: int, launcher: int) -> int:
    """The child of torchrun that has this rank, as its environment says."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            variables = (folder / "environ").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue  # it has ended meanwhile
        if parent == launcher and f"RANK={rank}".encode() in variables:
            return int(folder.name)
    raise AssertionError("torchrun has no such child")


def wait_for_states(folder: Path, kimg: float, process: subprocess.Popen[bytes]) -> None:
    """Until the run has saved so many thousand images."""
    deadline = time.monotonic() + 60
    while not any(float(path.stem) >= kimg for path in numbered_files(folder / "run" / "state")):
        assert process.poll() is None
        assert time.monotonic() < deadline, (folder / "output.txt").read_text()
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
def test_a_killed_rank_comes_back_and_sigterm_to_torchrun_saves_and_no_bit_is_lost(tmp_path: Path):
    whole, hurt = tmp_path / "whole", tmp_path / "hurt"
    for folder in (whole, hurt):
        write_recipe(folder, recipe())
    assert [code_of(process) for process in start_ranks(whole)] == [0, 0]
    with (hurt / "output.txt").open("w") as output:
        launcher = subprocess.Popen(
            [sys.executable, *LAUNCH, "-m", "t2igan", *TRAIN],
            cwd=hurt,
            stdout=output,
            stderr=output,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        wait_for_states(hurt, 0.2, launcher)
        os.kill(pid_of_rank(1, launcher.pid), signal.SIGKILL)
        wait_for_states(hurt, 0.4, launcher)
        launcher.send_signal(signal.SIGTERM)
        launcher.wait(timeout=60)
    text = (hurt / "output.txt").read_text()
    assert "error: another process of this run died or hung" in text
    assert "going on from run/state/" in text
    assert text.count("and saved; the same command goes on from there.") == 2  # both ranks left together
    assert float(newest_state(hurt / "run").stem) < COUNT / 10
    assert [code_of(process) for process in start_ranks(hurt)] == [0, 0]
    mine, theirs = load_file(newest_state(hurt / "run")), load_file(newest_state(whole / "run"))
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
