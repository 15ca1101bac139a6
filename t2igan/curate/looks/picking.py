"""Choosing a few of many samples, shard by shard: the nearest to something, or random ones by a fixed seed."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np

from t2igan.curate.keep_list import uid_pairs
from t2igan.curate.selection import Selection
from t2igan.curate.table import ScoreTable
from t2igan.data.draws import permutation

MAX_SHARDS = 32  # that examples are taken from, so that a preview of a billion samples takes minutes
MIX = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True)
class Example:
    """One sample."""

    shard: str
    row: int
    key: str
    note: str  # its score, or what it is


@dataclass(frozen=True)
class Group:
    """Samples under one heading."""

    title: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Sheet:
    """What one rule does."""

    title: str
    about: str
    groups: tuple[Group, ...]


def some_shards(selection: Selection) -> list[str]:
    """The shards that examples are taken from."""
    names = selection.shards
    return sorted(names[place] for place in permutation(len(names), "examples")[:MAX_SHARDS])


def draw_numbers(table: ScoreTable, purpose: str) -> np.ndarray:
    """A random number a sample, by its uid; other purposes give others. uint64 [rows]."""
    uids = uid_pairs(table.columns["uid"], table.source.name)
    salt = np.frombuffer(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "<u8")[0]
    numbers = (uids["f0"] ^ salt) * MIX ^ uids["f1"]
    return (numbers ^ (numbers >> np.uint64(32))) * MIX


@dataclass
class Best:
    """The `count` samples with the smallest (distance, number) of all that were offered."""

    count: int
    _found: list[tuple[float, int, Example]] = field(default_factory=list)

    def offer(
        self,
        shard: str,
        table: ScoreTable,
        rows: np.ndarray,
        numbers: np.ndarray,
        *,
        distance: np.ndarray | None = None,
        values: np.ndarray | None = None,
    ) -> None:
        """Take rows of one shard.

        Args:
            shard: its name.
            table: with the column `key`.
            rows: int64 [n].
            numbers: uint64 [all rows], which decide between equal distances.
            distance: float [all rows]; None = all are equally near.
            values: float [all rows], told in the example's note; None = nothing is.
        """
        by = np.zeros(len(rows)) if distance is None else distance[rows]
        for i in np.lexsort((numbers[rows], by))[: self.count]:
            row = int(rows[i])
            note = "" if values is None else number_text(float(values[row]))
            example = Example(shard, row, table.columns["key"][row].as_py(), note)
            self._found.append((float(by[i]), int(numbers[row]), example))
        self._found = sorted(self._found, key=lambda one: one[:2])[: self.count]

    def examples(self) -> tuple[Example, ...]:
        """Best first."""
        return tuple(example for *_, example in self._found)


def number_text(value: float) -> str:
    """Short, without powers of ten."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
