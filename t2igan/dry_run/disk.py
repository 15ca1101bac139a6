"""What a run leaves on disk: states to resume from and snapshots to share. Pictures and logs are not counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from t2igan.dry_run.split import train_at
from t2igan.dry_run.weightless import AnyRecipe
from t2igan.recipe.schema import GanRecipe
from t2igan.recipe.stages import num_stages, stage_kimg
from t2igan.train.saving import numbered, snapshot_tensors, state_tensors
from t2igan.train.schedule import superfluous
from t2igan.train.state import TrainState


@dataclass(frozen=True)
class FileSizes:
    """Bytes of the tensors of one stage's files; their headers add a few kilobytes."""

    state: int
    snapshot: int


@dataclass(frozen=True)
class Disk:
    """Bytes at the end of a run, which is when most lies there."""

    states: int
    num_states: int
    snapshots: int
    num_snapshots: int
    spare: int  # a file is written whole before an older one goes

    @property
    def total(self) -> int:
        """Room to keep free."""
        return self.states + self.snapshots + self.spare


def file_sizes(state: TrainState) -> FileSizes:
    """Of a stage whose Adam has its moments."""
    tensors = (state_tensors(state), snapshot_tensors(state))
    return FileSizes(*(sum(tensor.nbytes for tensor in found.values()) for found in tensors))


def disk_of(recipe: AnyRecipe, sizes: Sequence[FileSizes]) -> Disk:
    """The room that a run takes.

    Args:
        recipe: for its intervals, and what is kept.
        sizes: of each stage's files.
    """
    train = recipe.train
    states = [sizes[stage].state for stage in _kept(recipe, train.state_kimg, train.keep_states)]
    snapshots = [sizes[stage].snapshot for stage in _kept(recipe, train.sample_kimg, train.keep_snapshots)]
    if isinstance(recipe, GanRecipe) and recipe.metrics is not None and recipe.metrics.best:
        snapshots.append(sizes[-1].snapshot)
    spare = max(size.state for size in sizes)
    return Disk(sum(states), len(states), sum(snapshots), len(snapshots), spare)


def _kept(recipe: AnyRecipe, every_kimg: float, keep: int | None) -> list[int]:
    """The stage of each file that is there at the end, oldest first."""
    files, start = {}, 0
    for stage in range(num_stages(recipe)):
        batch = train_at(recipe, stage).batch
        stop = start + math.ceil(round(stage_kimg(recipe, stage) * 1000) / batch) * batch
        marks = _marks(start, stop, every_kimg) | _marks(start, stop, recipe.train.milestone_kimg) | {stop}
        at_steps = sorted(start + math.ceil((mark - start) / batch) * batch for mark in marks)
        files |= {numbered(Path(), nimg): stage for nimg in at_steps}
        start = stop
    gone = set(superfluous(list(files), keep=keep, milestone_kimg=recipe.train.milestone_kimg))
    return [stage for path, stage in files.items() if path not in gone]


def _marks(start: int, stop: int, every_kimg: float | None) -> set[float]:
    """Multiples of an interval after `start` and up to `stop`, in images."""
    if every_kimg is None:
        return set()
    every = every_kimg * 1000
    return {count * every for count in range(int(start / every) + 1, int(stop / every) + 1)}
