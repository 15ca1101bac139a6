"""Which networks fit each other, their loss and their frozen companions. Torch-free; text is check_text.py's."""

from __future__ import annotations

import re

from pydantic import ValidationError

from t2igan.features.config import DinoConfig, RandomConvConfig, SmallClipTowerConfig
from t2igan.losses.config import GigaGANUpsamplerLossConfig
from t2igan.recipe.schema import GanRecipe
from t2igan.recipe.stages import at_stage

CONV_TOWER_LAYERS = 5
_FAMILIES = {
    "projected_gan": {"generator": "stylegan_t", "discriminator": "projected"},
    "gigagan": {"generator": "gigagan", "discriminator": "gigagan"},
    "gigagan_upsampler": {"generator": "gigagan_upsampler", "discriminator": "gigagan"},
}


def network_problems(recipe: GanRecipe) -> list[str]:
    """The contradictions between networks, loss and frozen networks, one line each."""
    return [
        *_family(recipe),
        *_guidance(recipe),
        *_perceptual(recipe),
        *_backbone(recipe),
        *_minibatch(recipe),
    ]


def _family(recipe: GanRecipe) -> list[str]:
    """Networks that only their own loss can train, and what they read."""
    archs = {"generator": recipe.generator.arch, "discriminator": recipe.discriminator.arch}
    found = [
        f"loss.kind: {recipe.loss.kind!r} trains {key}s of arch {wanted!r}, not {archs[key]!r}"
        for key, wanted in _FAMILIES[recipe.loss.kind].items()
        if archs[key] != wanted
    ]
    if (recipe.generator.reads_tokens or recipe.discriminator.reads_tokens) and not recipe.conditioner.tokens:
        found.append(f"conditioner.tokens: {archs['generator']} reads text tokens; set it to true")
    if any(stage.r1_gamma is not None for stage in recipe.stages) and not hasattr(recipe.loss, "r1_gamma"):
        found.append(f"stages: r1_gamma means nothing to loss.kind {recipe.loss.kind!r}; leave it out")
    return found


def _guidance(recipe: GanRecipe) -> list[str]:
    weights = [at_stage(recipe, i).loss.clip_weight for i in range(len(recipe.stages))]
    if any(weights) and recipe.loss.guide is None:
        return [f"loss.clip_weight: {max(weights)} needs a network; set loss.guide, or the weight to 0"]
    if recipe.loss.guide is not None and not any(weights):
        return ["loss.guide: unused while loss.clip_weight is 0; set a weight, or leave loss.guide out"]
    return []


def _perceptual(recipe: GanRecipe) -> list[str]:
    loss = recipe.loss
    if not isinstance(loss, GigaGANUpsamplerLossConfig) or bool(loss.perceptual_weight) == bool(
        loss.perceptual
    ):
        return []
    if loss.perceptual is None:
        weight = f"{loss.perceptual_weight:g}"
        return [f"loss.perceptual_weight: {weight} needs a network; set loss.perceptual, or the weight to 0"]
    return [
        "loss.perceptual: unused while loss.perceptual_weight is 0; set a weight, or loss.perceptual to null"
    ]


def _minibatch(recipe: GanRecipe) -> list[str]:
    """Minibatch statistics compare images of one forward pass: some number of them up to the group must divide it."""
    group = getattr(recipe.discriminator, "minibatch_std", 0)
    pieces = {
        train.batch_gpu or train.batch
        for train in (at_stage(recipe, i).train for i in range(len(recipe.stages)))
    }
    return [
        f"discriminator.minibatch_std: no 2 to {group} images of {piece} make groups of equal size; "
        f"choose a train.batch_gpu that is a multiple of {group}, or set minibatch_std to 0"
        for piece in sorted(pieces)
        if group and all(piece % size for size in range(2, group + 1))
    ]


def _backbone(recipe: GanRecipe) -> list[str]:
    backbone = recipe.discriminator.frozen
    if isinstance(backbone, DinoConfig):
        patch = re.search(r"patch(\d+)", backbone.model)
        if patch and backbone.image_size % int(patch[1]):
            return [
                f"discriminator.backbone.image_size: {backbone.image_size} is no multiple of {backbone.model}'s patch {patch[1]}"
            ]
    if isinstance(backbone, RandomConvConfig) and backbone.image_size < 2 ** len(backbone.channels):
        return [
            f"discriminator.backbone.image_size: {backbone.image_size} px do not survive "
            f"{len(backbone.channels)} halvings; give fewer channels, or at least {2 ** len(backbone.channels)} px"
        ]
    if isinstance(backbone, SmallClipTowerConfig) and not all(
        0 <= tap < CONV_TOWER_LAYERS for tap in backbone.taps
    ):
        return [
            f"discriminator.backbone.taps: {list(backbone.taps)}; the tower's layers are 0 to {CONV_TOWER_LAYERS - 1}"
        ]
    return []


def channel_problems(recipe: GanRecipe, resolution: int) -> list[str]:
    """The generator's own rules, at a stage's resolution."""
    generator = recipe.generator
    try:
        type(generator).model_validate({**generator.model_dump(), "resolution": resolution})
    except ValidationError as error:
        why = [item["msg"].removeprefix("Value error, ") for item in error.errors()]
        return [f"generator at {resolution} px: {text}" for text in why]
    return []
