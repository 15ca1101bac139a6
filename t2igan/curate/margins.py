"""What moving a limit by a tenth would keep, counted while the rules are applied. Not a new selection.

Exact for the rules that look at one row. What the later ones drop (the top share, duplicates) is taken to stay the same
share of what reaches them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from t2igan.curate.config import Rules
from t2igan.curate.rules import Bound, measure
from t2igan.curate.table import ScoreTable

STEP = 0.1
WHOLE = {"side", "bytes", "words", "chars"}
NOT_MOVED = {"letters"}  # there is a letter or there is none


@dataclass(frozen=True)
class Margin:
    """What would be kept if one limit of a rule were moved."""

    rule: str
    side: str  # "least", "most" or "share"
    limit: float
    moved: tuple[float, float]  # 10 % lower, 10 % higher; whole numbers by at least 1
    kept: tuple[float, float]  # share of all samples


class Margins:
    """Counts over the shards; `add` each, then `of`."""

    def __init__(self, rules: Rules, found: Sequence[Bound]) -> None:
        self._rules = rules
        self._edges = [edge for bound in found for edge in edges(bound)]
        self._passing = np.zeros((len(self._edges), 2), np.int64)
        self._now = 0
        self._seen = 0

    def add(self, table: ScoreTable, failed: Sequence[tuple[str, np.ndarray]], usable: np.ndarray) -> None:
        """Count one shard.

        Args:
            table: its columns.
            failed: what each check drops, as `checks` gives it.
            usable: bool [rows], those without a problem.
        """
        times = np.zeros(len(table), np.int16)
        for _, fails in failed:
            times += fails
        masks = dict(failed)
        self._seen += len(table)
        self._now += int((usable & (times == 0)).sum())
        for i, edge in enumerate(self._edges):
            values = measure(table, edge.bound.measure)
            others_pass = usable & (times == masks[edge.bound.reason])
            for j, limit in enumerate(edge.moved):
                self._passing[i, j] += int((others_pass & ~edge.at(limit).fails(values)).sum())

    def of(self, kept: int) -> list[Margin]:
        """One margin a limit, given how many samples the whole selection keeps."""
        survive = kept / self._now if self._now else 0.0
        shares = survive * self._passing / max(1, self._seen)
        found = [
            Margin(edge.bound.reason, edge.side, edge.limit, edge.moved, (float(low), float(high)))
            for edge, (low, high) in zip(self._edges, shares, strict=True)
        ]
        top = self._rules.clip_top
        if top is None:
            return found
        moved = (_round(top * (1 - STEP)), min(1.0, _round(top * (1 + STEP))))
        now = kept / max(1, self._seen)
        return [*found, Margin("clip_top", "share", top, moved, (now * moved[0] / top, now * moved[1] / top))]


@dataclass(frozen=True)
class Edge:
    """One end of a bound."""

    bound: Bound
    side: str
    limit: float

    @property
    def moved(self) -> tuple[float, float]:
        """The limit a tenth lower and higher."""
        if self.bound.measure in WHOLE:
            step = max(1.0, math.floor(abs(self.limit) * STEP + 0.5))
            return max(0.0, self.limit - step), self.limit + step
        step = abs(self.limit) * STEP
        return _round(self.limit - step), _round(self.limit + step)

    def at(self, limit: float) -> Bound:
        """The bound with this end elsewhere."""
        return replace(self.bound, low=limit) if self.side == "least" else replace(self.bound, high=limit)


def edges(bound: Bound) -> list[Edge]:
    """The ends of a bound that can be moved."""
    if bound.measure in NOT_MOVED:
        return []
    ends = (("least", bound.low), ("most", bound.high))
    return [Edge(bound, side, float(limit)) for side, limit in ends if math.isfinite(limit)]


def _round(value: float) -> float:
    """Without the noise of binary fractions."""
    return float(f"{value:.12g}")
