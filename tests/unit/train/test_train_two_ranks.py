"""Two processes are one: the whole loss of StyleGAN-T, in micro-batches, on two gloo ranks, whole and split over them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from full_loss import double_precision, full_recipe
from safetensors.torch import load_file
from tiny import final_tensors, newest_state, tiny_recipe
from tiny_gigagan import GUIDED, UPSAMPLER
from torch import Tensor
from two_ranks import on_two_ranks

from t2igan.encode import to_yaml
from t2igan.recipe.schema import GanRecipe

# In float64. Adam divides by a gradient's size, so that rounding of one that is zero would show as steps of +-lr; with eps
# 1e-3 it acts on their sizes.
ADAM = tuple(f"optim.{name}={{learning_rate: 2e-3, eps: 1e-3}}" for name in "GDT")
COMMON = (*ADAM, "train.batch_gpu=2", "stage_start=all", "train.state_kimg=1000")
TOLERANCE = 1e-12
TEXT = "stages=[{resolution: 16, kimg: 0.04}, {resolution: 16, kimg: 0.04, trains: text_encoder}]"
FROZEN = "stages=[{resolution: 16, kimg: 0.04}, {resolution: 16, kimg: 0.04, freeze_up_to: 8}]"
SHORTER = "stages=[{resolution: 16, kimg: 0.024}]"  # of either: stopped within the first stage
SHARED = ("loss.shared_fakes=true", "loss.mismatch_weight=0")
SPLIT = "train.shard_generator=true"
ALONE = {  # ten steps each
    "plain": full_recipe(*COMMON, stages=((16, 10),)),
    "shared": full_recipe(*COMMON, *SHARED, stages=((16, 10),)),
    "text": full_recipe(*COMMON, TEXT),
    "frozen": full_recipe(*COMMON, FROZEN),
    "gigagan": tiny_recipe(*COMMON, *GUIDED, stages=((16, 5),)),
    "upsampler": tiny_recipe(*COMMON, *UPSAMPLER, stages=((16, 3),)),
}
TOGETHER = {  # name -> what runs in one folder, one after the other
    "plain": [ALONE["plain"]],
    "shared": [ALONE["shared"]],
    "gigagan": [ALONE["gigagan"]],
    "upsampler": [ALONE["upsampler"]],
    "text": [ALONE["text"]],
    "text, whole and then split": [full_recipe(*COMMON, SHORTER), full_recipe(*COMMON, SPLIT, TEXT)],
    "frozen, split and then whole": [full_recipe(*COMMON, SPLIT, SHORTER), full_recipe(*COMMON, FROZEN)],
}


@dataclass(frozen=True)
class Pair:
    """What two processes have left behind, and what each of them said."""

    folder: Path  # of all runs, each in the folder of its name
    held: list[dict[str, float]]
    exchanges: list[dict[str, int]]
    split: list[dict[str, Any]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Everything in one pair of processes, as they take long to start."""
    folder = tmp_path_factory.mktemp("two_ranks")
    calls = [
        ("train_run", written(recipe, folder), str(folder / name))
        for name, recipes in TOGETHER.items()
        for recipe in recipes
    ]
    others = [
        ("split_networks", written(full_recipe(*COMMON, SPLIT, TEXT), folder)),
        ("count_exchanges", written(tiny_recipe("train.batch_gpu=1"), folder)),
        ("split_one",),
    ]
    *_, held, exchanges, split = on_two_ranks(*calls, *others)
    return Pair(folder, held, exchanges, split)


def written(recipe: GanRecipe, folder: Path) -> str:
    path = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(to_yaml(recipe))
    return str(path)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tensor]]:
    """Name -> the last state of the run in this process."""
    folder = tmp_path_factory.mktemp("alone")
    with double_precision():
        return {name: final_tensors(recipe, folder / name) for name, recipe in ALONE.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOGETHER)
def test_ten_steps_on_two_ranks_are_ten_steps_of_one_process(
    name: str, pair: Pair, alone: dict[str, dict[str, Tensor]]
):
    expected, found = alone[name.split(",")[0]], load_file(newest_state(pair.folder / name))
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert (found[key] - tensor).abs().max() < TOLERANCE, key


@pytest.mark.slow
def test_what_is_split_lies_in_halves_and_what_is_not_on_both(pair: Pair):
    for held in pair.held:
        assert held["D"] == held["optim.D"] == 1
        for name in ("G", "T", "G_ema", "T_ema", "optim.T"):
            assert held[name] == pytest.approx(0.5, abs=0.03)  # odd sizes, and noise strengths


@pytest.mark.slow
def test_gradients_are_exchanged_once_a_phase_however_many_micro_batches(pair: Pair):
    assert pair.exchanges == [{"D": 3, "G": 3}] * 2  # three steps of four micro-batches a rank


@pytest.mark.slow
def test_a_split_network_is_filled_gathered_and_averaged_as_a_whole_one(pair: Pair):
    first, second = pair.split
    assert sorted(first["filled"]) == ["0.bias", "0.weight", "1.bias", "1.weight", "gain"]
    assert second["filled"] == ["gain"]  # whole tensors come together on rank 0
    assert [first["rows"], second["rows"]] == [[3, 3, 1, 1], [2, 2, 0, 0]]
    assert first["grads"]["1.bias"] == pytest.approx([first["gain"]])
    assert first["grads"]["gain"] == second["grads"]["gain"]
    assert first["grads"]["gain"] == pytest.approx(sum(half["output"] for half in pair.split) / 2)
