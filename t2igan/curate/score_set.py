"""The score tables of a set of shards, to be read one at a time. Not their making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2igan.curate.image_embeddings import read_embeddings
from t2igan.curate.shards import Shard, list_shards
from t2igan.curate.storage import Folder
from t2igan.curate.table import SUFFIX, ScoreTable, read_table
from t2igan.errors import DataError


@dataclass(frozen=True)
class ScoreSet:
    """Shards with their tables."""

    shards: dict[str, Shard]  # stem -> shard
    tables: Folder | None  # None = beside the shards

    def load(self, stem: str, columns: Sequence[str] | None = None) -> ScoreTable:
        """The table of a shard, or some of its columns.

        Raises:
            DataError: if it cannot be read.
        """
        folder, name = self._place(stem)
        with folder.fetched(name) as path:
            return read_table(path, folder.where(name), columns)

    def load_embeddings(self, stem: str, column: str, rows: np.ndarray) -> np.ndarray:
        """Embeddings of some rows of a shard; float16 [rows, D].

        Args:
            stem: the shard.
            column: of its table, as in `embedding:ViT-L-14/openai`.
            rows: int64 [n], those that the column knows.

        Raises:
            DataError: if they are not there, or not those that the table was made with.
        """
        folder, name = self._place(stem)
        return read_embeddings(folder, name, self.load(stem, [column]), column, rows)

    def _place(self, stem: str) -> tuple[Folder, str]:
        shard = self.shards[stem]
        if self.tables is not None:
            return self.tables, f"{stem}{SUFFIX}"
        return shard.folder, f"{shard.name.removesuffix('.tar')}{SUFFIX}"

    def missing(self) -> list[str]:
        """Shards without a table."""
        there = {folder: folder.names() for folder in {self._place(stem)[0] for stem in self.shards}}
        return [
            s.where
            for stem, s in self.shards.items()
            if self._place(stem)[1] not in there[self._place(stem)[0]]
        ]


def open_scores(source: str, scores: str | None = None) -> ScoreSet:
    """Find the shards and their tables.

    Args:
        source: a folder, file, glob or brace pattern of shards, local or a URL, or several joined by `::`.
        scores: folder of the tables; None = beside each shard.

    Raises:
        DataError: if there are no shards, or one of them has no table.
    """
    found = ScoreSet({shard.stem: shard for shard in list_shards(source)}, Folder(scores) if scores else None)
    missing = found.missing()
    if missing:
        elsewhere = "" if scores else " Are they in another folder? Give --scores."
        raise DataError(f"{missing[0]}: has no scores ({len(missing)} of {len(found.shards)} shards). Run "
                        f"`t2igan data score {source}` first.{elsewhere}")  # fmt: skip
    return found
