"""A recipe as one of its stages sees it. Torch-free; what a stage takes over from the last one is train/stages.py's."""

from __future__ import annotations

from typing import TypeVar

from t2igan.config import Config
from t2igan.recipe.schema import EncoderRecipe, GanRecipe

C = TypeVar("C", bound=Config)


def at_stage(recipe: GanRecipe, stage: int) -> GanRecipe:
    """The recipe with the resolution, batch and guidance of stage number `stage` (from 0) in their sections."""
    config = recipe.stages[stage]
    return recipe.model_copy(
        update={
            "generator": recipe.generator.model_copy(update={"resolution": config.resolution}),
            "discriminator": recipe.discriminator.at(config.resolution),
            "train": _with(recipe.train, batch=config.batch, batch_gpu=config.batch_gpu),
            "loss": _with(recipe.loss, clip_weight=config.clip_weight, r1_gamma=config.r1_gamma),
        }
    )


def has_text_encoder(recipe: GanRecipe, stage: int) -> bool:
    """Whether G reads a text encoder of its own in a stage: from the first one on that trains it."""
    return any(config.trains == "text_encoder" for config in recipe.stages[: stage + 1])


def num_stages(recipe: GanRecipe | EncoderRecipe) -> int:
    """How many stages; an encoder trains in one."""
    return len(recipe.stages) if isinstance(recipe, GanRecipe) else 1


def stage_kimg(recipe: GanRecipe | EncoderRecipe, stage: int) -> float:
    """Thousands of images of a stage."""
    return recipe.stages[stage].kimg if isinstance(recipe, GanRecipe) else recipe.kimg


def _with(section: C, **values: float | None) -> C:
    """The section with every value that is not None."""
    return section.model_copy(update={key: value for key, value in values.items() if value is not None})
