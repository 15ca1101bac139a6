"""A run that is stopped by a signal or meets a full disk, in a process of its own."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint
from t2igan.encode import to_yaml
from t2igan.train.run import run

TRAIN = ["train", "--recipe", "recipe.yaml", "--out", "run"]
LIMIT = 200_000  # bytes a file may have: logs and pictures fit, a state does not


def write_recipe(folder: Path, steps: int, *sets: str) -> None:
    (folder / "recipe.yaml").write_text(to_yaml(tiny_recipe(*sets, stages=((16, steps),))))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_run_and_exits_with_130_and_the_same_command_goes_on(
    number: signal.Signals, tmp_path: Path
):
    write_recipe(tmp_path, 100_000)
    command = [sys.executable, "-m", "t2igan", *TRAIN]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(
            line.startswith("kimg") for line in iter(process.stderr.readline, "")
        )  # waits for the first tick
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert "and saved; the same command goes on from there." in rest.splitlines()[-1]
    assert "Traceback" not in rest
    step = checkpoint.read_header(newest_state(tmp_path / "run")).progress["step"]
    assert step >= 5
    run(tiny_recipe(stages=((16, step + 2),)), tmp_path / "run")
    assert (
        f"going on from {newest_state(tmp_path / 'run').parent}" in (tmp_path / "run" / "log.txt").read_text()
    )
    assert checkpoint.read_header(newest_state(tmp_path / "run")).progress["step"] == step + 2


def test_a_full_disk_costs_the_checkpoint_and_nothing_else(tmp_path: Path):
    write_recipe(tmp_path, 26, "train.state_kimg=0.104")
    run(tiny_recipe(stages=((16, 2),)), tmp_path / "run")
    states = {path.name: path.read_bytes() for path in (tmp_path / "run" / "state").iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "t2igan", *TRAIN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT)),
    )
    assert done.returncode == 1
    assert done.stderr.count("warning: the checkpoint was not written") == 1  # of several attempts
    assert "kimg 0.2/0.2" in done.stderr  # it trained to the end
    assert (
        "error: run/snapshots/000000.2.safetensors: the finished network could not be written" in done.stderr
    )
    assert "Traceback" not in done.stderr
    left = {path.name: path.read_bytes() for path in (tmp_path / "run" / "state").iterdir()}
    assert left == states  # the older one whole, and no temporary file
    assert run(tiny_recipe("train.state_kimg=0.104", stages=((16, 26),)), tmp_path / "run").is_file()
