"""Numbers that are not finite: skipped, gone back from, or the end, and never on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from survival import code_of, start, train, write_recipe
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint
from t2igan.errors import TrainingError
from t2igan.recipe.schema import GanRecipe
from t2igan.train.rollback import Rollback
from t2igan.train.saving import load_weights, numbered_files, save_state
from t2igan.train.setup import setup_gan

CPU = torch.device("cpu")
OVERFLOW = "G.synthesis.b16.torgb.affine.proj.bias"
STEP_3, STEP_6 = "000000.3.safetensors", "000000.6.safetensors"


def recipe(*sets: str, count: int = 6) -> GanRecipe:
    """Steps of 100 images, with a state after every third."""
    stages = f"stages=[{{resolution: 16, kimg: {count / 10}}}]"
    return tiny_recipe("train.batch=100", "train.state_kimg=0.3", "samples.num_images=1", stages, *sets)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps whose newest state has weights so large that everything overflows: a state gone bad."""
    folder = tmp_path_factory.mktemp("gone_bad")
    train(folder, recipe())
    assert [path.name for path in numbered_files(folder / "run" / "state")] == [STEP_3, STEP_6]
    newest = newest_state(folder / "run")
    header, tensors = checkpoint.read(newest, kind="state")
    tensors[OVERFLOW].fill_(1e30)
    checkpoint.save(newest, tensors, header)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def go_on(folder: Path, *sets: str) -> tuple[int | None, str]:
    """Six more steps: the exit code, and what was printed."""
    write_recipe(folder, recipe("train.max_bad_steps=2", *sets, count=12))
    (folder / "output.txt").unlink()
    return code_of(start(folder)), (folder / "output.txt").read_text()


def is_finite(path: Path) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in checkpoint.read(path, kind="state")[1].values())


@pytest.mark.parametrize(("policy", "count"), [("skip", 2), ("stop", 1)])
def test_a_run_that_cannot_go_on_ends_with_5_and_its_states_as_they_were(
    policy: str, count: int, folder: Path
):
    before = {path.name: path.read_bytes() for path in (folder / "run" / "state").iterdir()}
    code, text = go_on(folder, f"train.on_bad_steps={policy}")
    assert code == 5
    assert f"error: step {6 + count}: gradients were not finite for {count} steps in a row" in text
    assert "Traceback" not in text
    assert {path.name: path.read_bytes() for path in (folder / "run" / "state").iterdir()} == before


def test_a_rollback_that_does_not_help_goes_one_further_back_and_training_goes_on(folder: Path):
    code, text = go_on(folder, "train.on_bad_steps=rollback")
    assert code == 0, text
    said = [line for line in text.splitlines() if "(rollback " in line]
    assert [(STEP_6 in line, STEP_3 in line) for line in said] == [(True, False), (False, True)]
    newest = newest_state(folder / "run")
    progress = checkpoint.read_header(newest).progress
    assert (progress["step"], progress["rollbacks"], progress["bad_steps"]) == (12, 2, 0)
    assert progress["bad_total"] >= 4
    assert is_finite(newest)
    assert float(checkpoint.read(newest, kind="state")[1][OVERFLOW].abs().max()) < 10


def test_rollbacks_that_never_help_end_the_run_with_5_and_the_first_weights(tmp_path: Path):
    sets = (
        "optim.G.learning_rate=1e30",
        "train.on_bad_steps=rollback",
        "train.max_bad_steps=1",
        "train.batch=8",
    )
    write_recipe(tmp_path, recipe(*sets))
    assert code_of(start(tmp_path)) == 5
    text = (tmp_path / "output.txt").read_text()
    assert "(rollback 5 of 5)" in text
    assert "gradients are not finite after 5 rollbacks" in text.splitlines()[-1]
    (first,) = numbered_files(tmp_path / "run" / "state")
    _, tensors = checkpoint.read(first, kind="state")
    fresh = setup_gan(recipe(*sets), 0, CPU).networks["G"].state_dict()
    assert all(torch.equal(tensors[f"G.{name}"], tensor) for name, tensor in fresh.items())


def test_weights_that_are_not_finite_are_never_saved_and_never_shared(tmp_path: Path):
    write_recipe(tmp_path, recipe("optim.G.learning_rate=1e39", "train.batch=100", count=3))
    assert code_of(start(tmp_path)) == 5
    text = (tmp_path / "output.txt").read_text()
    assert "warning: the checkpoint was not written" in text
    assert text.splitlines()[-1].startswith(
        "error: run/snapshots/000000.3.safetensors: not written, as G_ema."
    )
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.tmp"))


def test_no_state_is_saved_amid_steps_that_are_not_finite(folder: Path):
    code, text = go_on(folder, "train.on_bad_steps=skip", "train.max_bad_steps=4", "train.state_kimg=0.1")
    assert code == 5
    assert [path.name for path in numbered_files(folder / "run" / "state")] == [STEP_3, STEP_6]
    assert "was not written" not in text  # it waits, which is no failure


def test_a_state_of_the_stage_before_is_nothing_to_go_back_to_even_if_it_fits(tmp_path: Path):
    twice = recipe("stages=[{resolution: 16, kimg: 0.1}, {resolution: 16, kimg: 0.1}]")
    first, second = (setup_gan(twice, stage, CPU) for stage in (0, 1))
    save_state(first, twice, tmp_path / "state" / "000000.1.safetensors")
    second.stage = 1
    with pytest.raises(TrainingError, match="no checkpoint of stage 2 to go back to"):
        Rollback(tmp_path)(second)
    save_state(second, twice, tmp_path / "state" / "000000.0.safetensors")
    assert "000000.0.safetensors again (rollback 1 of 5)" in Rollback(tmp_path)(second)


def test_a_damaged_state_is_nothing_to_go_back_to(tmp_path: Path):
    state = setup_gan(recipe(), 0, CPU)
    for name in ("000000.1", "000000.2"):
        save_state(state, recipe(), tmp_path / "state" / f"{name}.safetensors")
    newest = newest_state(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    assert "000000.1.safetensors again" in Rollback(tmp_path)(state)


def test_going_back_forgets_moments_that_came_later(tmp_path: Path):
    state = setup_gan(recipe(), 0, CPU)
    save_state(state, recipe(), tmp_path / "fresh.safetensors")
    for param in state.params["G"].values():
        param.grad = torch.ones_like(param)
    state.apply_gradients("G")
    assert state.optimizers["G"].state
    load_weights(state, tmp_path / "fresh.safetensors")
    assert not state.optimizers["G"].state
