"""A run that is killed again and again ends as one that was left alone; nobody else may train in its folder meanwhile."""

from __future__ import annotations

import os
import random
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from survival import OUTPUT, TRAIN, code_of, start, train, wait_until, write_recipe
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint

KILLS, BEFORE_THE_BOUNDARY = 20, 12
STEPS = 32  # a stage; more than the kills of a stage can use up
RECIPE = tiny_recipe(
    "train.batch=4",
    "train.state_kimg=0.004",  # a state after every step
    "train.keep_states=3",
    "samples.num_images=1",
    f"stages=[{{resolution: 8, kimg: {0.004 * STEPS}}}, {{resolution: 16, kimg: {0.004 * STEPS}}}]",
)


def temporaries(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.tmp"))


def kill_somewhere(process: ForkServerProcess, folder: Path, dice: random.Random) -> str:
    """SIGKILL at the start, at some time within the next two steps, or while a file is being written."""
    how = dice.choice(["starting", "stepping", "writing", "writing"])
    state = folder / "run" / "state"
    if how == "starting":
        time.sleep(dice.uniform(0, 0.4))
    else:
        for _ in range(dice.randint(1, 2)):
            wait_until(lambda: not temporaries(state), process)
            wait_until(lambda: bool(temporaries(state)), process)
    if how == "stepping":
        time.sleep(dice.uniform(0, 0.1))
    process.kill()
    return how


@pytest.mark.slow
def test_twenty_kills_anywhere_change_no_bit_and_leave_nothing_behind(tmp_path: Path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(whole, RECIPE)
    write_recipe(killed, RECIPE)
    dice = random.Random(0)
    caught_writing = 0
    for number in range(KILLS):
        process = start(killed)
        if number == BEFORE_THE_BOUNDARY:
            wait_until(lambda: "stage 2:" in (killed / OUTPUT).read_text(), process)
            process.kill()
        else:
            kill_somewhere(process, killed, dice)
        assert code_of(process) == -signal.SIGKILL, "the run ended before it was killed often enough"
        caught_writing += bool(temporaries(killed))
    assert caught_writing >= 3  # 14 of them, usually
    text = train(killed, RECIPE)
    assert "Traceback" not in text
    assert "removed what a killed process left: state/.000000." in text
    assert temporaries(killed) == []
    assert_same_run(killed / "run", whole / "run")


def assert_same_run(mine: Path, theirs: Path) -> None:
    """The last state and the last snapshot, tensor by tensor, and the counters."""
    assert checkpoint.read_header(newest_state(mine)) == checkpoint.read_header(newest_state(theirs))
    for folder in ("state", "snapshots"):
        first, second = (load_file(max((run / folder).glob("0*.safetensors"))) for run in (mine, theirs))
        assert first.keys() == second.keys()
        assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_folder_in_use_is_refused_until_its_process_dies(tmp_path: Path):
    write_recipe(tmp_path, tiny_recipe(stages=((16, 100_000),)))
    first = start(tmp_path)
    wait_until(lambda: (tmp_path / "run" / "stats.jsonl").is_file(), first)
    second = start(tmp_path, output="second.txt")
    assert code_of(second) == 2
    told = (tmp_path / "second.txt").read_text()
    expected = f"error: run: another process (process {first.pid} on {os.uname().nodename}) is training in this folder."
    assert told.startswith(expected)
    first.kill()
    assert code_of(first) == -signal.SIGKILL
    third = start(tmp_path, output="third.txt")
    wait_until(lambda: "kimg" in (tmp_path / "third.txt").read_text(), third)
    third.kill()
    third.join()


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([signal.SIGTERM], 130),
        ([signal.SIGUSR1], 3),
        (
            [signal.SIGUSR1, signal.SIGTERM],
            3,
        ),  # as a batch system whose time limit comes while the run is saved
        ([signal.SIGINT, signal.SIGINT], 130),  # as from a terminal and from torchrun that passes it on
    ],
    ids=["term", "usr1", "usr1 and term", "int twice"],
)
def test_a_signal_saves_and_its_kind_decides_the_exit_code(
    numbers: list[signal.Signals], code: int, tmp_path: Path
):
    write_recipe(tmp_path, tiny_recipe(stages=((16, 100_000),)))
    process = start(tmp_path, TRAIN)
    wait_until(lambda: (tmp_path / "run" / "stats.jsonl").is_file(), process)
    assert process.pid is not None
    for number in numbers:
        os.kill(process.pid, number)
    assert code_of(process) == code
    last = (tmp_path / OUTPUT).read_text().splitlines()[-1]
    assert last.endswith("and saved; the same command goes on from there.")
    assert checkpoint.read_header(newest_state(tmp_path / "run")).progress["step"] >= 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 1), (signal.SIGUSR1, 3)], ids=["term", "usr1"])
def test_a_run_that_could_not_be_saved_does_not_claim_to_be(
    number: signal.Signals, code: int, tmp_path: Path
):
    write_recipe(tmp_path, tiny_recipe(stages=((16, 100_000),)))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state").write_text("a file where a folder should be")
    process = start(tmp_path)
    wait_until(lambda: (tmp_path / "run" / "stats.jsonl").is_file(), process)
    assert process.pid is not None
    os.kill(process.pid, number)
    assert code_of(process) == code
    last = (tmp_path / OUTPUT).read_text().splitlines()[-1]
    assert last.endswith("but not saved; the same command goes on from the checkpoint before.")
