"""Training in 16 bits: gradients near float32's, and none that vanish because the batch is large."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from full_loss import full_recipe
from tiny import final_tensors, tiny_recipe
from torch import Tensor, nn

from t2igan import checkpoint, images
from t2igan.data.loader import build_loader
from t2igan.recipe.schema import GanRecipe
from t2igan.train.setup import setup_gan

CPU = torch.device("cpu")
# Error of a phase's gradients together, relative to float32's. Measured 0.007 and 0.035 in float16 for G and D, 0.033 and
# 0.084 in bfloat16; D's heads normalise small differences between tokens.
TOLERANCES = {"fp16": {"G": 0.03, "D": 0.1}, "bf16": {"G": 0.1, "D": 0.25}}
LEAST_COSINE = 0.85  # of eight steps' movements; 0.93 measured in bfloat16, 0.96 in float16


def gradients(recipe: GanRecipe, *, batch: int | None = None) -> dict[str, Tensor]:
    """Phase -> its gradients of eight images in one row; they may count as a part of a larger batch."""
    state = setup_gan(recipe, 0, CPU)
    if batch is not None:
        state.config = state.config.model_copy(update={"batch": batch})
    loader = build_loader(recipe.data, resolution=state.resolution, batch=8, seed=0)
    pictures = next(loader)
    real, c = images.to_float(pictures.images), state.condition(pictures.captions)
    state.loss.before_step(0)
    found = {}
    for phase, module in state.phases:
        with state.training(phase.trains):
            with state.autocast():
                outcome = module(state.inputs(phase, pictures, real, c))
            (outcome.loss.sum() / state.config.batch * state.loss_scale).backward()
        found[phase.name] = torch.cat([grad.flatten() for grad in state.gradients(phase.trains)])
    return found


@pytest.mark.parametrize("precision", TOLERANCES)
def test_gradients_of_both_phases_stay_near_those_of_float32(precision: str):
    exact = gradients(full_recipe("train.precision=fp32"))
    rough = gradients(full_recipe(f"train.precision={precision}"))
    for name, grad in exact.items():
        assert (rough[name] - grad).norm() < TOLERANCES[precision][name] * grad.norm()


def test_in_float16_a_sample_of_a_large_batch_has_the_gradient_of_one_of_a_small_batch():
    recipe = tiny_recipe("train.precision=fp16")
    small, large = gradients(recipe), gradients(recipe, batch=8 << 11)
    for name, grad in small.items():
        assert torch.equal(large[name] * 2**11, grad)  # not a bit is lost below float16's smallest number


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_run_of_eight_steps_skips_none_and_goes_where_float32_goes(precision: str, tmp_path: Path):
    recipe = tiny_recipe("train.precision=fp32", stages=((16, 8),))
    start = setup_gan(recipe, 0, CPU).networks
    exact = final_tensors(recipe, tmp_path / "fp32")
    rough = final_tensors(
        tiny_recipe(f"train.precision={precision}", stages=((16, 8),)), tmp_path / precision
    )
    assert "non-finite" not in (tmp_path / precision / "log.txt").read_text()
    for name in ("G", "D"):
        moved = [movement(start[name], checkpoint.part(end, name)) for end in (exact, rough)]
        assert torch.cosine_similarity(*moved, dim=0) > LEAST_COSINE


def movement(start: nn.Module, end: dict[str, Tensor]) -> Tensor:
    return torch.cat(
        [(end[name] - tensor).flatten() for name, tensor in start.state_dict().items() if name in end]
    )


def test_only_the_highest_resolutions_run_in_float16_and_the_image_never_does():
    recipe = tiny_recipe("generator.num_fp16_res=1", stages=((32, 1),))
    state = setup_gan(recipe, 0, CPU)
    seen: dict[str, tuple[torch.dtype, torch.dtype, torch.dtype]] = {}
    generator = state.networks["G"]
    for block in generator.synthesis.blocks():  # pyright: ignore

        def note(module, args, output, name=block.name):
            seen[name] = (args[0].dtype, output[0].dtype, output[1].dtype)

        block.register_forward_hook(note)
    with torch.autocast("cpu", torch.float16):
        generator(torch.randn(2, generator.z_dim), state.condition(["a", "b"]))
    wide, half = torch.float32, torch.float16
    assert seen == {"b8": (wide, wide, wide), "b16": (wide, wide, wide), "b32": (half, half, wide)}
