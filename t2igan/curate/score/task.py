"""Which shard is scored, and where its table lies. Torch-free: those who only read tables need no network."""

from __future__ import annotations

from dataclasses import dataclass

from t2igan.curate.storage import Folder, Shard
from t2igan.curate.table import SUFFIX


@dataclass(frozen=True)
class ScoreTask:
    """Which shard, and where its table goes."""

    shard: Shard
    tables: Folder
    name: str  # file name of the table

    def __str__(self) -> str:
        return self.shard.where


def score_task(shard: Shard, scores: Folder | None) -> ScoreTask:
    """The table of a shard: in the folder `scores`, or beside the shard."""
    if scores is None:
        return ScoreTask(shard, shard.folder, f"{shard.name.removesuffix('.tar')}{SUFFIX}")
    return ScoreTask(shard, scores, f"{shard.stem}{SUFFIX}")
