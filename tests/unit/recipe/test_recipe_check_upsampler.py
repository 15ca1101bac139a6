"""What `recipe check` says of upsamplers, and of networks that read no text."""

from __future__ import annotations

import re

import pytest
from tiny import tiny_recipe
from tiny_gigagan import GIGAGAN, READING, UPSAMPLER

from t2igan.errors import RecipeError
from t2igan.recipe.check import problems
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import GanRecipe


@pytest.mark.parametrize("sets", [UPSAMPLER, READING])
def test_the_tiny_upsamplers_have_no_contradiction(sets: tuple[str, ...]):
    assert problems(tiny_recipe(*sets)) == []


@pytest.mark.parametrize("name", ["shapes_x4", "gigagan_upsampler_64_512"])
def test_shipped_upsamplers_have_none(name: str):
    recipe = load_recipe(name)
    assert problems(recipe) == []
    assert isinstance(recipe, GanRecipe)
    assert recipe.generator.resolution == recipe.discriminator.resolution == recipe.stages[-1].resolution  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ((*UPSAMPLER, GIGAGAN[-1]), "loss.kind: 'gigagan' trains generators of arch 'gigagan', not 'gigagan_upsampler'"),
        ((*GIGAGAN, UPSAMPLER[-1]), "'gigagan_upsampler' trains generators of arch 'gigagan_upsampler', not 'gigagan'"),
        ((*UPSAMPLER, "loss.match_weight=1"), "loss.match_weight: 1, but the discriminator reads no text"),
        ((*UPSAMPLER, "generator.c_dim=16"), "generator.c_dim: 16, but the conditioner 'none' gives 0 numbers; set generator.c_dim to 0"),
        ((*UPSAMPLER, "generator.c_dim=16"), "conditioner.tokens: gigagan_upsampler reads text tokens"),
        ((*UPSAMPLER, "loss.perceptual=null"), "loss.perceptual_weight: 0.5 needs a network"),
        ((*UPSAMPLER, "loss.perceptual_weight=0"), "loss.perceptual: unused while loss.perceptual_weight is 0"),
        ((*UPSAMPLER, "stages.0.trains=text_encoder"), "the conditioner 'none' has nothing to train"),
        ((*UPSAMPLER, "discriminator.minibatch_std=4", "train.batch_gpu=1"), "discriminator.minibatch_std: no 2 to 4 images of 1"),
        ((*UPSAMPLER, "metrics={features: {kind: random_conv}}"), "metrics: they judge pictures drawn from prompts"),
    ],
)  # fmt: skip
def test_a_contradiction_is_named_with_the_key_to_change(sets: tuple[str, ...], expected: str):
    with pytest.raises(RecipeError, match=re.escape(expected)):
        tiny_recipe(*sets)


def test_a_stage_must_suit_the_networks_halvings():
    found = problems(tiny_recipe(*UPSAMPLER, "generator.widths=[8, 8, 8, 8, 8]", "generator.resolution=32"))
    assert found == []  # 16 px are 4 px made larger, halved twice
    with pytest.raises(RecipeError, match="generator at 16 px: resolution 16 is no multiple of 32"):
        tiny_recipe(*UPSAMPLER, "generator.widths=[8, 8, 8, 8, 8, 8]", "generator.resolution=32")
