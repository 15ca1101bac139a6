"""One shard in, one score table out; what an earlier table of the same shard knows is not measured again."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from t2igan.curate.config import Rules, ScoreConfig, embedding_column, score_columns
from t2igan.curate.freshness import sha256_of
from t2igan.curate.image_embeddings import add_embeddings, has_embeddings
from t2igan.curate.measures.carried import info, sources
from t2igan.curate.measures.language import detect
from t2igan.curate.rules import cheap
from t2igan.curate.score.earlier import take_over
from t2igan.curate.score.facts import Row, facts_of, look_at, rows_beside
from t2igan.curate.score.measuring import MODEL_FREE, Measuring
from t2igan.curate.score.task import ScoreTask
from t2igan.curate.shards import Shard
from t2igan.curate.table import (
    FACTS,
    NewerTableError,
    Origin,
    ScoreTable,
    Source,
    make_table,
    read_table,
    to_bytes,
)
from t2igan.data.tars import Salvage, salvage_tar
from t2igan.errors import DataError, UsageError

if TYPE_CHECKING:
    from t2igan.curate.score.networks import Networks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scored:
    """What was done for one shard."""

    samples: int
    problems: int
    measured: int  # samples for which something was measured now
    damage: str


@dataclass(frozen=True)
class MakeScorer:
    """What an engine's workers are made with."""

    config: ScoreConfig
    rules: Rules | None = None

    def __call__(self, worker: int) -> ShardScorer:
        """The scorer of one worker."""
        return ShardScorer(self.config, self.rules, worker=worker)


class ShardScorer:
    """Scores shards, one after the other; networks are loaded once.

    Args:
        config: what is measured.
        rules: those of them that need no model say for which samples networks are run; None = for all.
        worker: number of this worker; decides on the GPU.
    """

    def __init__(self, config: ScoreConfig, rules: Rules | None = None, *, worker: int = 0) -> None:
        self.config = config
        self.rules = rules or Rules()
        self.columns = score_columns(config)
        self.kept = embedding_column(config)
        self.networks, gpus = _networks(config, worker) if config.clip else (None, 0)
        self.threads = max(1, len(os.sched_getaffinity(0)) // gpus) if gpus else 1

    def __call__(self, task: ScoreTask) -> Scored:
        """Write the table of one shard, or complete it.

        Raises:
            DataError: if the shard cannot be read or the table cannot be written.
        """
        earlier = self._known(task)
        is_current = earlier is not None and self._is_as_asked(earlier)
        if earlier is not None and is_current and self._is_complete(earlier):
            return _summary(earlier, 0)
        if not task.tables.is_writable:  # better now than after hours on a GPU
            raise DataError(f"{task.tables.url}: score tables cannot be written there. Give --scores FOLDER.")
        with task.shard.folder.fetched(task.shard.name) as path:
            salvage = salvage_tar(path)
            table = earlier if earlier is not None and is_current else self._facts(path, salvage, task)
            if earlier is not None and not is_current:
                table = take_over(table, earlier, has_carried=self.config.use_columns)
            pending = np.flatnonzero(self._pending(table)).tolist()
            measuring = Measuring(table, self.config, self.networks, threads=self.threads)
            table = measuring.run(path, salvage, pending)
        self._put(task, table, measuring.vectors)
        return _summary(table, len(pending))

    def _put(
        self, task: ScoreTask, table: ScoreTable, vectors: Mapping[int, np.ndarray] | None = None
    ) -> None:
        """Write new embeddings, then a table; what another process has added to it meanwhile stays."""
        latest = self._known(task)
        if latest is not None:
            table = take_over(table, latest, has_carried=self.config.use_columns)
        if self.kept and vectors:
            add_embeddings(task.tables, task.name, table, self.kept, vectors)
        table.made = self._asked() | {"place": task.place}
        task.tables.put(task.name, to_bytes(table))

    def _asked(self) -> dict[str, Any]:
        """The settings that facts depend on."""
        return {"max_pixels": self.config.max_pixels, "use_columns": self.config.use_columns}

    def _is_as_asked(self, table: ScoreTable) -> bool:
        return self._asked().items() <= table.made.items()

    def _known(self, task: ScoreTask) -> ScoreTable | None:
        """An earlier table of the same shard, if it is whole.

        Raises:
            DataError: if it cannot be read, or only by a newer t2igan.
            UsageError: if its scores are of other weights than those that are given.
        """
        if not task.tables.has(task.name):
            return None
        data, where = task.tables.read(task.name), task.tables.where(task.name)
        try:
            table = read_table(data, where)
        except NewerTableError:
            raise
        except DataError as error:
            log.warning("%s It is made anew.", error)
            return None
        if not task.is_described_by(table) or not set(FACTS) <= set(table.columns.column_names):
            return None
        if self.networks is not None:
            _refuse_other_weights(table, self.networks.of_files, where)
        if self.kept and not has_embeddings(task.tables, task.name, table, self.kept):
            table.columns = table.columns.drop_columns(self.kept)  # so that they are computed again
        return table

    def _is_complete(self, table: ScoreTable) -> bool:
        """Whether nothing is to be measured; a shard without a usable sample has all columns as well."""
        return set(self.columns) <= set(table.columns.column_names) and not self._pending(table).any()

    def _pending(self, table: ScoreTable) -> np.ndarray:
        """Which samples lack a measure that they should have; bool [rows]."""
        lacks = np.zeros(len(table), dtype=bool)
        for column in self.columns:
            known = column in table.columns.column_names
            lacks |= table.columns[column].is_null().to_numpy() if known else True
        if self.config.decode:
            lacks |= ~table.columns["decoded"].to_numpy()
        is_good = table.columns["problem"].to_numpy() == ""
        return is_good & lacks & (cheap(table, self.rules) == "")

    def _facts(self, path: Path, salvage: Salvage, task: ScoreTask) -> ScoreTable:
        """The table of a shard that was never looked at: headers, captions, languages, what the data carries."""
        beside = _beside(task.shard)
        rows: list[Row] = []
        captions: list[str] = []
        names: dict[str, set[str]] = {}  # our column -> those of the data that its values were taken from
        for number, entry in enumerate(salvage.entries):
            look, problem = look_at(path, salvage, number, beside)
            rows.append(facts_of(look, problem, entry.key, self.config.max_pixels))
            captions.append(look.captions[0] if look.captions else "")
            for column, name in sources(look.fields).items():
                names.setdefault(column, set()).add(name)
        columns = _columns(rows, has_carried=self.config.use_columns)
        origins = {
            column: Origin(**info(column, found)) for column, found in names.items() if column in columns
        }
        if self.config.language:
            columns["language"], origins["language"] = detect(captions), MODEL_FREE["language"]
        source = Source(task.shard.name, path.stat().st_size, sha256_of(path), salvage.damage)
        return make_table(columns, source, origins)


def _refuse_other_weights(table: ScoreTable, given: Mapping[str, str], where: str) -> None:
    """Files of one name may hold several networks.

    Raises:
        UsageError: if a column was measured with another file than is given for it.
    """
    for column, weights in given.items():
        known = table.origins[column].weights if column in table.origins else ""
        if known and known != weights:
            raise UsageError(
                f"{where}: its {column} was measured with weights {known}, and the file that is given has {weights}. Keep the "
                "scores of each in a folder of its own (--scores), or give the file another name."
            )


def _networks(config: ScoreConfig, worker: int) -> tuple[Networks, int]:
    """The networks of one worker, and the number of GPUs."""
    import torch

    from t2igan.curate.score.networks import Networks

    gpus = torch.cuda.device_count()
    if not gpus:
        torch.set_num_threads(1)  # sums are then taken in one order, whatever the number of workers
    return Networks(config, f"cuda:{worker % gpus}" if gpus else "cpu"), gpus


def _beside(shard: Shard) -> dict[str, Row]:
    """The rows of the parquet that img2dataset writes beside a shard."""
    name = f"{shard.name.removesuffix('.tar')}.parquet"
    return rows_beside(shard.folder.read(name)) if shard.folder.has(name) else {}


def _columns(rows: list[Row], *, has_carried: bool) -> dict[str, list[Any]]:
    """Rows -> columns; those that only some samples carry are null elsewhere."""
    carried = sorted({name for row in rows for name in row} - set(FACTS)) if has_carried else []
    return {name: [row.get(name) for row in rows] for name in (*FACTS, *carried)}


def _summary(table: ScoreTable, measured: int) -> Scored:
    problems = int((table.columns["problem"].to_numpy() != "").sum())
    return Scored(len(table), problems, measured, table.source.damage)
