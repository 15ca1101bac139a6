"""Keys that more than one shard has, among any number of shards, in bounded memory. Keys are known by 64-bit hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from t2igan.curate.shards import Shard
from t2igan.curate.spill import Spill
from t2igan.curate.validate.findings import EXAMPLES, Findings
from t2igan.data.tars import salvage_tar
from t2igan.errors import DataError

RECORD = np.dtype([("key", "<u8"), ("shard", "<u4"), ("row", "<u4")])
A_SHARD = 10_000  # samples, to guess how many parts are needed
MAX_NAMED = 10  # shards that are opened again to say which keys; of others the sample's number is given


@dataclass
class Repeats:
    """Keys of one shard that an earlier shard has."""

    count: int = 0
    examples: list[tuple[int, int]] = field(default_factory=list)  # row, earlier shard

    def add(self, row: int, earlier: int) -> None:
        """One key."""
        self.count += 1
        self.examples = sorted([*self.examples, (row, earlier)])[:EXAMPLES]


class KeysAcross:
    """Takes the keys of one shard after the other, then finds those that repeat; use it in a `with` block."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = shards
        self._spill = Spill(RECORD, at_most=A_SHARD * len(shards))

    def __enter__(self) -> Self:
        self._spill.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spill.__exit__(kind, error, trace)

    def add(self, shard: int, keys: np.ndarray) -> None:
        """The keys of shard number `shard`, as uint64 [N]."""
        records = np.zeros(len(keys), RECORD)
        records["key"], records["shard"], records["row"] = keys, shard, np.arange(len(keys))
        self._spill.add(keys, records)

    def find(self) -> dict[int, Findings]:
        """Number of a shard -> the keys that an earlier shard has as well."""
        repeats: dict[tuple[int, str], Repeats] = {}
        for records in self._spill.parts():
            self._find_in(records, repeats)
        shards = sorted({shard for shard, _ in repeats})
        names = {shard: _keys_of(self._shards[shard]) for shard in shards[:MAX_NAMED]}
        found = {shard: Findings() for shard in shards}
        for (shard, kind), repeated in sorted(repeats.items()):
            for n, (row, earlier) in enumerate(repeated.examples):
                name = names[shard][row] if row < len(names.get(shard, [])) else f"sample {row}"
                count = 1 if n else repeated.count - len(repeated.examples) + 1
                found[shard].add(kind, name, f"also in {self._shards[earlier].where}", count=count)
        return found

    def _find_in(self, records: np.ndarray, repeats: dict[tuple[int, str], Repeats]) -> None:
        """Keys of one part; each is compared with the first shard that has it."""
        ordered = records[np.lexsort((records["row"], records["shard"], records["key"]))]
        is_new = np.concatenate([[True], ordered["key"][1:] != ordered["key"][:-1]])
        first = ordered["shard"][np.maximum.accumulate(np.where(is_new, np.arange(len(ordered)), 0))]
        for at in np.flatnonzero(first != ordered["shard"]):
            shard, row, earlier = int(ordered["shard"][at]), int(ordered["row"][at]), int(first[at])
            is_one_set = self._shards[shard].folder == self._shards[earlier].folder
            kind = "key in several shards" if is_one_set else "key in several folders"
            repeats.setdefault((shard, kind), Repeats()).add(row, earlier)


def _keys_of(shard: Shard) -> list[str]:
    try:
        with shard.folder.fetched(shard.name) as path:
            return [entry.key for entry in salvage_tar(path).entries]
    except DataError:
        return []
