"""The phase that trains the text encoder: what moves, what stands still, and who reads what afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import newest_state, steps, tiny_clip, tiny_recipe
from torch.nn import functional as F

from t2igan import checkpoint
from t2igan.export import export
from t2igan.pipeline import TextToImage
from t2igan.recipe.schema import GanRecipe
from t2igan.train.run import run

PROMPTS = ["a red circle", "a blue square"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


def recipe(clip: Path, *counts: int, sets: tuple[str, ...] = ()) -> GanRecipe:
    """16 px, then the text encoder, then 32 px; `counts` steps each."""
    kinds = ("resolution: 16", "resolution: 16, trains: text_encoder, clip_weight: 2.0", "resolution: 32")
    stages = ", ".join(f"{{{kind}, kimg: {steps(n)}}}" for kind, n in zip(kinds, counts, strict=False))
    tower = f"{{kind: small_clip, checkpoint: {clip}}}"
    rates = "optim.T={learning_rate: 1e-2}"
    return tiny_recipe(f"conditioner={tower}", f"loss.guide={tower}", rates, f"stages=[{stages}]", *sets)


def split(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    tensors = load_file(path)
    return {name: checkpoint.part(tensors, name) for name in ("G", "D", "T", "T_ema", "G_ema", "optim")}


def differs(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in a if name in b and not torch.equal(a[name], b[name])}


@pytest.fixture(scope="module")
def trained(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run(recipe(clip, 13, 13, sets=("train.keep_states=9",)), folder)
    return folder


def test_the_text_encoder_trains_and_the_generator_stands_still(trained: Path, clip: Path):
    first, last = sorted((trained / "state").iterdir())
    before, after = split(first), split(last)
    assert not before["T"]
    assert differs(before["G_ema"], after["G"]) <= {"mapping.x_avg"}  # the stage starts from the average
    assert differs(before["D"], after["D"])
    original = checkpoint.part(load_file(clip), "E.text")
    assert differs(original, after["T"]) == set(original)
    assert differs(after["T"], after["T_ema"])
    assert {name.split(".")[0] for name in after["optim"]} == {"T", "D"}


def test_the_snapshot_carries_the_averaged_text_encoder_and_sampling_reads_it(trained: Path, clip: Path):
    last = split(newest_state(trained))
    snapshot = max((trained / "snapshots").iterdir())
    assert not differs(last["T_ema"], checkpoint.part(load_file(snapshot), "conditioner"))
    model, original = (
        TextToImage.from_checkpoint(snapshot),
        TextToImage.from_checkpoint(min((trained / "snapshots").iterdir())),
    )
    assert not torch.allclose(
        model.conditioner(PROMPTS).embed, original.conditioner(PROMPTS).embed, atol=1e-3
    )  # pyright: ignore
    assert model.conditioner.fingerprint != original.conditioner.fingerprint
    state = TextToImage.from_checkpoint(newest_state(trained))
    drawn = model.generate(PROMPTS, [0, 1])
    assert torch.equal(state.generate(PROMPTS, [0, 1]), drawn)
    export(newest_state(trained), trained / "exported.safetensors")
    assert torch.equal(
        TextToImage.from_checkpoint(trained / "exported.safetensors").generate(PROMPTS, [0, 1]), drawn
    )


def test_the_discriminator_keeps_reading_the_original_encoder(clip: Path):
    from t2igan.train.setup import setup_gan

    state = setup_gan(recipe(clip, 1, 1), 1, torch.device("cpu"))
    with torch.no_grad():
        for param in state.networks["T"].parameters():
            param.mul_(1.5)
    c = state.condition(PROMPTS)
    assert torch.equal(c.embed, state.conditioner(PROMPTS).embed)  # pyright: ignore[reportArgumentType]
    seen = state.loss._prompt(c).embed  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(seen, F.normalize(state.networks["T"](c.ids).float(), dim=1))
    assert not torch.allclose(seen, c.embed)


def test_a_stopped_text_phase_goes_on_with_the_same_bits(clip: Path, tmp_path: Path):
    run(recipe(clip, 2, 4), tmp_path / "whole")
    run(recipe(clip, 2, 2), tmp_path / "parts")
    run(recipe(clip, 2, 4), tmp_path / "parts")
    whole, parts = (load_file(newest_state(tmp_path / name)) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_stage_after_it_starts_from_the_averaged_text_encoder_and_leaves_it_alone(
    clip: Path, tmp_path: Path
):
    run(recipe(clip, 13, 13, 13, sets=("train.keep_states=9",)), tmp_path)
    _, text, last = sorted((tmp_path / "state").iterdir())
    before, after = split(text), split(last)
    assert not differs(before["T_ema"], after["T"])
    assert not differs(before["T_ema"], after["T_ema"])
    assert {name.split(".")[0] for name in after["optim"]} == {"G", "D"}
    snapshot = max((tmp_path / "snapshots").iterdir())
    assert not differs(after["T_ema"], checkpoint.part(load_file(snapshot), "conditioner"))
