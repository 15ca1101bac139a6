"""Everything about a run before it starts, as plain values: the glue of this package. Prints nothing, writes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from t2igan.dry_run.disk import Disk, FileSizes, disk_of, file_sizes
from t2igan.dry_run.memory import Memory, memory_of
from t2igan.dry_run.params import Block, blocks_of
from t2igan.dry_run.probe import probe
from t2igan.dry_run.split import Split, split_of
from t2igan.dry_run.timing import Timing, this_device, time_stage
from t2igan.dry_run.weightless import AnyRecipe, missing_metrics, missing_weights, without_weights
from t2igan.launch import world_size
from t2igan.recipe.check import check
from t2igan.recipe.schema import GanRecipe
from t2igan.recipe.stages import num_stages, stage_kimg
from t2igan.train.machine import autocast_dtype


@dataclass(frozen=True)
class StagePlan:
    """One stage of a run."""

    number: int  # from 1
    resolution: int
    kimg: float
    trains: str  # names of the networks that train
    split: Split
    blocks: dict[str, Block]
    flops: dict[str, float]  # part of a step -> FLOPs of one image
    generator_flops: float  # of one generated image; 0 for an encoder
    memory: Memory
    files: FileSizes
    timing: Timing | str  # or why there is none

    @property
    def step_flops(self) -> float:
        """FLOPs of training on one image."""
        return sum(self.flops.values())

    def hours_at(self, flops_per_second: float) -> float:
        """Hours of the stage if every GPU does so much."""
        images = self.split.steps * self.split.batch
        return images * self.step_flops / (flops_per_second * self.split.ranks) / 3600

    @property
    def hours(self) -> float | None:
        """Hours of the stage at the measured speed."""
        if isinstance(self.timing, str):
            return None
        return self.split.steps * self.timing.step_s(self.split) / 3600


@dataclass(frozen=True)
class Plan:
    """A run that has not begun."""

    recipe: AnyRecipe
    ranks: int
    precision: str
    stages: list[StagePlan]
    disk: Disk
    free_disk: int
    missing: list[str]  # one line for everything that the run needs and that is not here


def make_plan(
    recipe: AnyRecipe, out: Path, *, gpus: int | None = None, say: Callable[[str], None] = lambda _: None
) -> Plan:
    """Find out what a run would be.

    Args:
        recipe: what would be trained.
        out: the folder that it would write to; it need not exist.
        gpus: number of GPUs; None = as many processes as the environment says (WORLD_SIZE), or one.
        say: hears which stage is being looked at.

    Raises:
        RecipeError: if a batch cannot be shared by so many GPUs.
        CheckpointError: if a small CLIP's checkpoint that the recipe names is missing or damaged.
    """
    ranks = world_size(os.environ) if gpus is None else gpus
    check(recipe, world=ranks)
    dtype = planned_dtype(recipe, for_gpus=gpus is not None)
    weightless, stages = without_weights(recipe), []
    for number in range(num_stages(recipe)):
        say(f"stage {number + 1} of {num_stages(recipe)}")
        stages.append(_stage(recipe, weightless, number, ranks, dtype))
    return Plan(
        recipe=recipe,
        ranks=ranks,
        precision=str(dtype).removeprefix("torch."),
        stages=stages,
        disk=disk_of(recipe, [stage.files for stage in stages]),
        free_disk=_free_disk(out),
        missing=_missing(recipe),
    )


def _missing(recipe: AnyRecipe) -> list[str]:
    """Weights, and the checkpoint that the run starts from."""
    found = [*missing_weights(recipe), *(f"metrics: {line}" for line in missing_metrics(recipe))]
    init = recipe.init if isinstance(recipe, GanRecipe) else None
    if init is not None and not Path(init).is_file():
        found.append(f"init: {init}: no such checkpoint file.")
    return found


def planned_dtype(recipe: AnyRecipe, *, for_gpus: bool) -> torch.dtype:
    """The precision of a run: this machine's choice for `auto`, and bfloat16 for GPUs that are elsewhere."""
    if recipe.train.precision == "auto" and for_gpus and not torch.cuda.is_available():
        return torch.bfloat16
    return autocast_dtype(recipe.train, this_device())


def _stage(
    recipe: AnyRecipe, weightless: AnyRecipe, number: int, ranks: int, dtype: torch.dtype
) -> StagePlan:
    split = split_of(recipe, number, ranks)
    probed = probe(
        weightless,
        number,
        split.piece,
        accumulates=split.pieces > 1,
        dtype=dtype,
        nimg=round(sum(stage_kimg(recipe, before) for before in range(number)) * 1000),
    )
    memory = memory_of(probed.state, split, is_sharded=recipe.train.shard_generator)
    return StagePlan(
        number=number + 1,
        resolution=probed.state.resolution,
        kimg=stage_kimg(recipe, number),
        trains=" and ".join(sorted(probed.state.params, reverse=True)),
        split=split,
        blocks=blocks_of(probed.state),
        flops=probed.flops,
        generator_flops=probed.generator_flops,
        memory=memory,
        files=file_sizes(probed.state),
        timing=time_stage(recipe, number, split, probed, needed=memory.total),
    )


def _free_disk(out: Path) -> int:
    """Free bytes where the run's folder is or would be made."""
    folder = out.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free
