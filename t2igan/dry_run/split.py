"""How a step's images are shared among GPUs and micro-batches, and how many steps a stage takes. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass

from t2igan.dry_run.weightless import AnyRecipe
from t2igan.recipe.schema import GanRecipe, TrainConfig
from t2igan.recipe.stages import at_stage, stage_kimg


@dataclass(frozen=True)
class Split:
    """batch = piece x pieces x ranks."""

    batch: int  # images a step
    ranks: int
    piece: int  # images of one forward pass
    pieces: int  # micro-batches a rank and step
    steps: int  # of the stage

    @property
    def formula(self) -> str:
        """`2048 = 16 images x 2 pieces x 64 ranks`."""
        return f"{self.batch} = {self.piece} images x {self.pieces} pieces x {self.ranks} ranks"


def split_of(recipe: AnyRecipe, stage: int, ranks: int) -> Split:
    """The split of stage number `stage`; the recipe has been checked for so many ranks."""
    train = train_at(recipe, stage)
    share = train.batch // ranks
    piece = min(train.batch_gpu or share, share)
    steps = math.ceil(stage_kimg(recipe, stage) * 1000 / train.batch)
    return Split(train.batch, ranks, piece, share // piece, steps)


def train_at(recipe: AnyRecipe, stage: int) -> TrainConfig:
    """The recipe's train section as a stage sees it."""
    return at_stage(recipe, stage).train if isinstance(recipe, GanRecipe) else recipe.train


def one_piece(recipe: AnyRecipe, piece: int) -> AnyRecipe:
    """The recipe with steps of `piece` images in one forward pass, in every stage."""
    train = recipe.train.model_copy(update={"batch": piece, "batch_gpu": None})
    if not isinstance(recipe, GanRecipe):
        return recipe.model_copy(update={"train": train})
    whole = {"batch": None, "batch_gpu": None}
    stages = tuple(stage.model_copy(update=whole) for stage in recipe.stages)
    return recipe.model_copy(update={"train": train, "stages": stages})
