"""The samples of a whole set of shards while rules are applied: a code for each, and what is read of them. Not the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from t2igan.curate.duplicates import RECORD
from t2igan.curate.keep_list import uid_pairs
from t2igan.curate.rules import KEPT, measure
from t2igan.curate.table import Origin, ScoreTable, type_of
from t2igan.errors import DataError

Load = Callable[[str, Sequence[str] | None], ScoreTable]  # shard, columns (None = all) -> table
LoadEmbeddings = Callable[[str, str, np.ndarray], np.ndarray]  # shard, column, rows -> float16 [rows, D]


class Pool:
    """Codes of the samples, 2 bytes each, and their tables, read again for every pass.

    Args:
        load: reads the table of a shard.
        shards: names, sorted.
        reasons: that rules may give.
        rank_by: column of scores that ranks duplicates; None = there is none.
        model: the table that the others should be like.
    """

    def __init__(
        self,
        load: Load,
        shards: Sequence[str],
        reasons: Sequence[str],
        rank_by: str | None,
        model: ScoreTable,
    ) -> None:
        self.shards = list(shards)
        self.names = [KEPT, *reasons]  # code -> reason
        self.codes: dict[str, np.ndarray] = {}  # shard -> uint16 [rows]
        self._load, self._rank_by, self._model = load, rank_by, model
        self._number = {name: code for code, name in enumerate(self.names)}

    @property
    def left(self) -> int:
        """Samples that no rule has dropped."""
        return sum(int((codes == 0).sum()) for codes in self.codes.values())

    def read(self, number: int, columns: Iterable[str]) -> ScoreTable:
        """Columns of a shard.

        Raises:
            DataError: if it lacks one, or has other rows than in an earlier pass.
        """
        shard, wanted = self.shards[number], sorted(set(columns))
        table = self._load(shard, wanted)
        missing = [name for name in wanted if name not in table.columns.column_names]
        lost = [name for name in missing if len(table) and not self._may_lack(name)]
        if lost:
            raise DataError(f"{table.source.name}: its scores lack {', '.join(lost)}, which those of {self._model.source.name} "
                            "have. Score it again, with the options of the others.")  # fmt: skip
        for name in missing:
            table.columns = table.columns.append_column(name, pa.nulls(len(table), type_of(name)))
        if shard in self.codes and len(table) != len(self.codes[shard]):
            raise DataError(
                f"{table.source.name}: its scores changed while they were read. Select once they are complete."
            )
        return table

    def _may_lack(self, column: str) -> bool:
        """Whether the data brought the column along: where it did not, the scores are not known."""
        origin = self._model.origins.get(column)
        return origin is not None and not origin.source.endswith("computed")

    def start(self, number: int, problems: np.ndarray) -> None:
        """Enter a shard: its samples without a problem are in."""
        codes = np.zeros(len(problems), np.uint16)
        for problem in sorted(set(problems.tolist()) - {KEPT}):
            if problem not in self._number:
                self._number[problem] = len(self.names)
                self.names.append(problem)
            codes[problems == problem] = self._number[problem]
        self.codes[self.shards[number]] = codes

    def rows_left(self, number: int) -> np.ndarray:
        """Rows of a shard that no rule has dropped; int64 [n]."""
        return np.flatnonzero(self.codes[self.shards[number]] == 0)

    def drop(self, number: int, rows: np.ndarray, reason: str) -> None:
        """Drop rows (numbers or a mask) of a shard that are still in."""
        codes = self.codes[self.shards[number]]
        chosen = codes[rows]
        codes[rows] = np.where(chosen == 0, self._number[reason], chosen)

    def drop_places(self, records: np.ndarray, reason: str) -> None:
        """Drop samples by where they are; RECORD [n]."""
        for number in np.unique(records["shard"]):
            self.drop(int(number), records["row"][records["shard"] == number], reason)

    def records(self, hash_column: str) -> Iterator[np.ndarray]:
        """What duplicates are judged by, of the samples that are left and have this hash; RECORD [n] of each shard."""
        for number in range(len(self.shards)):
            table = self.read(number, ["uid", "width", "height", hash_column])
            found = table.columns[hash_column]
            rows = self.rows_left(number)
            rows = rows[found.is_valid().to_numpy()[rows]]
            records = self.places(number, rows, table)
            records["hash"] = found.cast(pa.uint64()).fill_null(0).to_numpy()[rows]
            records["area"] = (measure(table, "width") * measure(table, "height"))[rows]
            records["clip"] = self._ranks(number)[rows] if self._rank_by else np.nan
            yield records

    def _ranks(self, number: int) -> np.ndarray:
        """Scores that rank duplicates; NaN where a shard has none, as no rule depends on them."""
        assert self._rank_by is not None
        table = self._load(self.shards[number], [self._rank_by])
        if self._rank_by in table.columns.column_names:
            return measure(table, self._rank_by)
        return np.full(len(self.codes[self.shards[number]]), np.nan, np.float32)

    def places(self, number: int, rows: np.ndarray, table: ScoreTable) -> np.ndarray:
        """Where samples are, and their uids; RECORD [rows], the rest zero."""
        uids = uid_pairs(table.columns["uid"].take(rows), table.source.name)
        records = np.zeros(len(rows), RECORD)
        records["shard"], records["row"] = number, rows
        records["high"], records["low"] = uids["f0"], uids["f1"]
        return records


class Origins:
    """Where the values of each column come from, and that they are of the same weights everywhere."""

    def __init__(self) -> None:
        self._found: dict[str, dict[Origin, str]] = {}  # column -> origin -> first shard with it

    def add(self, column: str, table: ScoreTable) -> None:
        """Take note of one shard.

        Raises:
            DataError: if another shard's scores were made with other weights.
        """
        origin = table.origins.get(column)
        if origin is None:
            return
        known = self._found.setdefault(column, {})
        for other, shard in known.items():
            if origin.weights and other.weights and origin.weights != other.weights:
                raise DataError(
                    f"{table.source.name}: its {column} was made with weights {origin.weights}, that of {shard} with "
                    f"{other.weights}: the numbers do not compare. Score all shards with one file."
                )
        known.setdefault(origin, table.source.name)

    def lists(self) -> dict[str, list[Origin]]:
        """Column -> distinct origins, in the order of the shards."""
        return {column: list(found) for column, found in sorted(self._found.items())}
