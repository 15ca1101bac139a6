"""Which shard is scored, and where its table lies. Torch-free: those who only read tables need no network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from t2igan.curate.freshness import is_of
from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.curate.table import SUFFIX, ScoreTable


@dataclass(frozen=True)
class ScoreTask:
    """Which shard, and where its table goes."""

    shard: Shard
    tables: Folder
    name: str  # file name of the table

    def __str__(self) -> str:
        return self.shard.where

    @property
    def place(self) -> str:
        """16 hex digits of where the shard lies: tables that lie elsewhere may be of another shard of this name."""
        return hashlib.sha256(self.shard.folder.place.encode()).hexdigest()[:16]

    def is_described_by(self, table: ScoreTable) -> bool:
        """Whether a table that lies in the task's place is of the shard as it is now."""
        is_beside = self.tables.place == self.shard.folder.place
        is_sure = is_beside or table.made.get("place") == self.place
        return is_of(table.source, self.shard, self.tables, self.name, is_sure=is_sure)


def score_task(shard: Shard, scores: Folder | None) -> ScoreTask:
    """The table of a shard: in the folder `scores`, or beside the shard."""
    if scores is None:
        return ScoreTask(shard, shard.folder, f"{shard.name.removesuffix('.tar')}{SUFFIX}")
    return ScoreTask(shard, scores, f"{shard.stem}{SUFFIX}")
