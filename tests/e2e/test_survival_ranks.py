"""Several processes in one run: what one of them meets, all of them meet, and torchrun brings a killed one back."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import survival
from safetensors.torch import load_file
from survival import code_of, start_ranks, train, wait_until, write_recipe
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint
from t2igan.recipe.schema import GanRecipe
from t2igan.train import agreement

# As in the test that two ranks are one process: with this eps Adam does not blow rounding up.
ADAM = ("optim.G={learning_rate: 2e-3, eps: 1e-3}", "optim.D={learning_rate: 2e-3, eps: 1e-3}")
TOLERANCE = 1e-6
OVERFLOW = "G.synthesis.b16.torgb.affine.proj.bias"


def recipe(*sets: str, count: int) -> GanRecipe:
    """Steps of 100 images with a state each."""
    stages = f"stages=[{{resolution: 16, kimg: {count / 10}}}]"
    return tiny_recipe("train.batch=100", "train.state_kimg=0.1", "samples.num_images=1", stages, *sets)


def codes(folder: Path, **env: str) -> list[int | None]:
    """Train on two ranks; their exit codes."""
    return [code_of(process) for process in start_ranks(folder, env=env)]


def printed(folder: Path) -> list[str]:
    return [(folder / f"rank_{n}.txt").read_text() for n in (0, 1)]


def poison(folder: Path) -> None:
    """Make the newest state's weights so large that everything overflows."""
    newest = newest_state(folder / "run")
    header, tensors = checkpoint.read(newest, kind="state")
    tensors[OVERFLOW].fill_(1e30)
    checkpoint.save(newest, tensors, header)


def test_two_ranks_roll_back_alike(tmp_path: Path):
    sets = ("train.on_bad_steps=rollback", "train.max_bad_steps=1", *ADAM)
    alone, two = tmp_path / "alone", tmp_path / "two"
    train(alone, recipe(*sets, count=2))
    poison(alone)
    shutil.copytree(alone, two)
    text = train(alone, recipe(*sets, count=5))
    assert "(rollback 2 of 5)" in text
    write_recipe(two, recipe(*sets, count=5))
    assert codes(two) == [0, 0]
    said, silent = printed(two)
    assert "(rollback 2 of 5)" in said
    assert "rollback" not in silent
    first, second = (load_file(newest_state(folder / "run")) for folder in (alone, two))
    assert max(float((first[k].double() - second[k].double()).abs().max()) for k in first) < TOLERANCE
    progress = [checkpoint.read_header(newest_state(folder / "run")).progress for folder in (alone, two)]
    assert progress[0] == progress[1]


def test_numbers_that_are_not_finite_end_both_ranks_with_5(tmp_path: Path):
    train(tmp_path, recipe(count=1))
    poison(tmp_path)
    write_recipe(tmp_path, recipe("train.on_bad_steps=stop", count=3))
    assert codes(tmp_path) == [5, 5]


def test_one_rank_that_is_signalled_stops_both_with_the_same_code(tmp_path: Path):
    write_recipe(tmp_path, tiny_recipe(stages=((16, 100_000),)))
    ranks = start_ranks(tmp_path)
    wait_until(lambda: (tmp_path / "run" / "stats.jsonl").is_file(), ranks[1])
    assert ranks[1].pid is not None
    os.kill(ranks[1].pid, signal.SIGUSR1)
    assert [code_of(process) for process in ranks] == [3, 3]
    assert all("and saved; the same command goes on from there." in text for text in printed(tmp_path))
    assert checkpoint.read_header(newest_state(tmp_path / "run")).progress["step"] >= 5


def test_what_rank_0_cannot_do_is_an_error_of_both(tmp_path: Path):
    write_recipe(tmp_path, recipe(count=1))
    (tmp_path / "run" / "state").mkdir(parents=True)
    (tmp_path / "run" / "state" / "000000.1.safetensors").write_text("no checkpoint")
    assert codes(tmp_path) == [1, 1]
    first, second = printed(tmp_path)
    assert first.startswith("error: run/state: none of its checkpoints is whole.")
    assert second.startswith("error: process 0 of this run cannot go on: run/state: none of its checkpoints")


def as_version(version: str, folder: str, env: dict[str, str], output: str) -> None:
    """`t2igan train` of another version."""
    agreement.__version__ = version
    survival.run_words(folder, survival.TRAIN, env, output)


def test_mixed_versions_are_refused_by_all_before_anything_is_written(tmp_path: Path):
    write_recipe(tmp_path, recipe(count=1))
    ranks = [
        survival.SERVER.Process(
            target=as_version, args=(f"0.1.{n}", str(tmp_path), place, f"rank_{n}.txt"), daemon=True
        )
        for n, place in enumerate(survival.places(2))
    ]
    for process in ranks:
        process.start()
    assert [code_of(process) for process in ranks] == [1, 1]
    line = "error: mixed versions: process 0 of this run is t2igan 0.1.0, process 1 is t2igan 0.1.1."
    assert all(text.startswith(line) for text in printed(tmp_path))
    assert not (tmp_path / "run").exists()


def test_a_peer_that_dies_is_one_line_and_no_hang(tmp_path: Path):
    write_recipe(tmp_path, tiny_recipe(stages=((16, 100_000),)))
    ranks = start_ranks(tmp_path)
    wait_until(lambda: (tmp_path / "run" / "stats.jsonl").is_file(), ranks[1])
    ranks[1].kill()
    assert code_of(ranks[0]) == 1
    last = printed(tmp_path)[0].splitlines()[-1]
    assert last.startswith("error: another process of this run died or hung (")
    assert "Traceback" not in printed(tmp_path)[0]


def test_a_peer_that_hangs_is_given_up_after_the_time_that_was_set(tmp_path: Path):
    write_recipe(tmp_path, tiny_recipe(stages=((16, 100_000),)))
    ranks = start_ranks(tmp_path, env={"T2IGAN_EXCHANGE_TIMEOUT_S": "3"})
    wait_until(lambda: (tmp_path / "run" / "stats.jsonl").is_file(), ranks[1])
    assert ranks[1].pid is not None
    os.kill(ranks[1].pid, signal.SIGSTOP)
    assert code_of(ranks[0], timeout_s=30) == 1
    ranks[1].kill()
    assert "error: another process of this run died or hung (" in printed(tmp_path)[0]
