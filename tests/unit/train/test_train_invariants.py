"""What must not matter to a run: being stopped and resumed, micro-batches, and the number of processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from full_loss import double_precision
from safetensors.torch import load_file
from tiny import final_tensors, newest_state, tiny_recipe
from tiny_gigagan import GIGAGAN, GUIDED
from torch import Tensor

from t2igan.encode import to_yaml
from t2igan.train.run import run

SHARED = "loss.shared_fakes=true"
CROPPED = "discriminator.backbone.image_size=8"  # smaller than the images, so that crops are drawn
WARM = "optim.G={warmup_kimg: 0.05, schedule: cosine}"
# Float32, some hundred terms a sum in another order. Adam divides by the gradient's size, so that rounding of tiny
# gradients would show as steps of +-lr; with eps 1e-3 it acts on their sizes.
ADAM = ("optim.G={learning_rate: 2e-3, eps: 1e-3}", "optim.D={learning_rate: 2e-3, eps: 1e-3}")
TOLERANCE = 1e-6


def largest_difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[key].double() - second[key].double()).abs().max()) for key in first)


def assert_same_bits(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.mark.parametrize(
    "sets",
    [(), (SHARED,), ("loss.noise_mode=random", WARM), (*GIGAGAN, "loss.r1_every=4")],
    ids=["plain", "shared", "random", "gigagan"],
)
def test_twenty_steps_are_ten_and_a_resume_and_ten(sets: tuple[str, ...], tmp_path: Path):
    whole = final_tensors(tiny_recipe("train.state_kimg=0.08", *sets, stages=((16, 20),)), tmp_path / "whole")
    saved = sorted((tmp_path / "whole" / "state").iterdir())
    halves = tmp_path / "halves"
    recipe = tiny_recipe("train.state_kimg=0.08", *sets, stages=((16, 20),))
    (halves / "state").mkdir(parents=True)
    (halves / "state" / saved[0].name).write_bytes(
        saved[0].read_bytes()
    )  # as a run killed after step 10 leaves it
    run(recipe, halves)
    assert_same_bits(whole, load_file(newest_state(halves)))


@pytest.mark.parametrize("change", ["train.precision=bf16", "generator.noise=false", "train.batch_gpu=4"])
def test_a_longer_run_goes_on_from_the_end_of_a_shorter_one_with_the_same_bits(change: str, tmp_path: Path):
    whole = final_tensors(tiny_recipe(change, stages=((16, 6),)), tmp_path / "whole")
    final_tensors(tiny_recipe(change, stages=((16, 3),)), tmp_path / "parts")
    assert_same_bits(whole, final_tensors(tiny_recipe(change, stages=((16, 6),)), tmp_path / "parts"))


@pytest.mark.parametrize(
    "first_part",
    [((16, 1),), ((16, 2),), ((16, 2), (32, 1))],
    ids=["within 16 px", "at the boundary", "within 32 px"],
)
def test_a_resume_near_a_stage_boundary_changes_no_bit(
    first_part: tuple[tuple[int, int], ...], tmp_path: Path
):
    stages = ((16, 2), (32, 2))
    whole = final_tensors(tiny_recipe(stages=stages), tmp_path / "whole")
    final_tensors(tiny_recipe(stages=first_part), tmp_path / "parts")
    assert_same_bits(whole, final_tensors(tiny_recipe(stages=stages), tmp_path / "parts"))


@pytest.mark.parametrize("sets", [(), (SHARED,), (CROPPED,)], ids=["plain", "shared", "cropped"])
def test_a_batch_in_one_piece_is_a_batch_in_four(sets: tuple[str, ...], tmp_path: Path):
    whole = final_tensors(tiny_recipe(*ADAM, *sets), tmp_path / "whole")
    pieces = final_tensors(tiny_recipe("train.batch_gpu=2", *ADAM, *sets), tmp_path / "pieces")
    assert largest_difference(whole, pieces) < TOLERANCE


@pytest.mark.parametrize("sets", [GUIDED, (*GIGAGAN, SHARED)], ids=["guided", "shared"])
def test_a_gigagan_batch_in_one_piece_is_a_batch_in_four(sets: tuple[str, ...], tmp_path: Path):
    with double_precision():
        whole = final_tensors(tiny_recipe(*ADAM, *sets), tmp_path / "whole")
        pieces = final_tensors(tiny_recipe("train.batch_gpu=2", *ADAM, *sets), tmp_path / "pieces")
    assert largest_difference(whole, pieces) < 1e-12


@pytest.mark.slow
def test_one_process_is_two(tmp_path: Path):
    recipe = tiny_recipe(*ADAM, CROPPED, "train.batch_gpu=2", "stage_start=all", stages=((16, 3), (32, 2)))
    alone = final_tensors(recipe, tmp_path / "alone")
    logs = train_on_two(to_yaml(recipe), tmp_path)
    assert largest_difference(alone, load_file(newest_state(tmp_path / "two"))) < TOLERANCE
    assert "kimg" in logs[0]
    assert "kimg" not in logs[1]  # only rank 0 speaks


def train_on_two(recipe: str, folder: Path) -> list[str]:
    """Train in two gloo processes; what each of them wrote to stderr."""
    (folder / "recipe.yaml").write_text(recipe)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "t2igan", "train", "--recipe", "recipe.yaml", "--out", "two"]
    processes = [
        subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", **master(port)},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for rank in ("0", "1")
    ]
    logs = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], logs
    return logs


def master(port: str) -> dict[str, str]:
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
