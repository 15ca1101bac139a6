"""Command lines in processes that can be killed, each forked in milliseconds from a server that has imported it all."""

from __future__ import annotations

import multiprocessing as mp
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from t2igan.encode import to_yaml
from t2igan.recipe.schema import GanRecipe

SERVER = mp.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "t2igan.cli.train",
        "t2igan.train.run",
        "t2igan.models.stylegan_t.generator",
        "t2igan.models.common.projected",
        "t2igan.text.hashing",
        "t2igan.losses.projected_gan",
        "torch._dynamo",  # the optimiser's first step imports it
        "t2igan.cli.data",
        "t2igan.curate.filtering",
        "t2igan.curate.score.shard",
        "pandas",  # pyarrow imports it at its first use, where it is installed
    ]
)
OUTPUT = "output.txt"
TRAIN = ("train", "--recipe", "recipe.yaml", "--out", "run")


def start(
    folder: Path, words: tuple[str, ...] = TRAIN, env: Mapping[str, str] | None = None, output: str = OUTPUT
) -> ForkServerProcess:
    """Run `t2igan WORDS` in `folder`; what it prints is added to `output` there."""
    (folder / output).touch()
    process = SERVER.Process(
        target=run_words, args=(str(folder), words, dict(env or {}), output), daemon=True
    )
    process.start()
    return process


def run_words(folder: str, words: tuple[str, ...], env: dict[str, str], output: str) -> None:
    """What a process does that `start` has started."""
    os.chdir(folder)
    os.environ.update(env)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from t2igan.cli.app import main

    sys.exit(main(words))


def code_of(process: ForkServerProcess, timeout_s: float = 60) -> int | None:
    """Wait for a process; its exit code, minus the signal's number if one killed it."""
    process.join(timeout_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"still running after {timeout_s} s")
    return process.exitcode


def write_recipe(folder: Path, recipe: GanRecipe) -> None:
    """The recipe that TRAIN names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(to_yaml(recipe))


def train(folder: Path, recipe: GanRecipe) -> str:
    """Train to the end; what was printed."""
    write_recipe(folder, recipe)
    code = code_of(start(folder))
    text = (folder / OUTPUT).read_text()
    assert code == 0, text
    return text


def start_ranks(
    folder: Path, world: int = 2, words: tuple[str, ...] = TRAIN, env: Mapping[str, str] | None = None
) -> list[ForkServerProcess]:
    """The same command on several gloo ranks; rank n prints to `rank_n.txt`."""
    return [
        start(folder, words, {**place, **(env or {})}, f"rank_{n}.txt")
        for n, place in enumerate(places(world))
    ]


def places(world: int) -> list[dict[str, str]]:
    """torchrun's variables for each rank of a group on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    return [{**group, "RANK": str(n), "LOCAL_RANK": str(n)} for n in range(world)]


def wait_until(claim: Callable[[], bool], process: ForkServerProcess, timeout_s: float = 60) -> bool:
    """Look every millisecond; whether the claim came true while the process was alive."""
    deadline = time.monotonic() + timeout_s
    while process.is_alive():
        if claim():
            return True
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.001)
    return False
