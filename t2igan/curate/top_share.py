"""The exact share of samples with the highest score, over many shards, without holding or sorting the scores.

Two passes count the upper and the lower half of each score's bits; a third names those that tie at the cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

HALF = 16
Scores = Iterable[
    tuple[int, np.ndarray, np.ndarray]
]  # shard's number, rows [n], float32 scores [n] without NaN


@dataclass(frozen=True)
class Cut:
    """Where a share ends."""

    pool: int  # samples with a score
    count: int  # of them that stay: int(pool * share), as DataComp counts
    score: float | None  # lowest score that stays; None if none does
    ties: int  # samples with this score that stay; the others with it go


def find_cut(scores: Callable[[], Scores], share: float) -> Cut:
    """Find the score at which the highest `share` of all samples ends.

    Args:
        scores: starts a pass over all shards.
        share: 0 < share <= 1.
    """
    upper = np.zeros(1 << HALF, np.int64)
    for _, _, found in scores():
        upper += np.bincount(_ordered(found) >> HALF, minlength=1 << HALF)
    pool = int(upper.sum())
    count = int(pool * share)
    if not count:
        return Cut(pool, 0, None, 0)
    top, above = _bin_of(upper, count)
    lower = np.zeros(1 << HALF, np.int64)
    for _, _, found in scores():
        bits = _ordered(found)
        lower += np.bincount(bits[bits >> HALF == top] & ((1 << HALF) - 1), minlength=1 << HALF)
    low, above_low = _bin_of(lower, count - above)
    return Cut(pool, count, _score((top << HALF) | low), count - above - above_low)


def _bin_of(counts: np.ndarray, rank: int) -> tuple[int, int]:
    """The bin that holds the `rank`-th highest value (from 1), and how many values lie in the bins above it."""
    from_top = np.cumsum(counts[::-1])
    place = int(np.searchsorted(from_top, rank))
    return len(counts) - 1 - place, int(from_top[place - 1]) if place else 0


def _ordered(scores: np.ndarray) -> np.ndarray:
    """float32 -> integers in the same order; -0.0 counts as 0.0. int64 [n]."""
    bits = (scores + np.float32(0)).view(np.uint32).astype(np.int64)
    return np.where(bits >> 31, 0xFFFFFFFF - bits, bits + (1 << 31))


def _score(ordered: int) -> float:
    """The inverse of `_ordered`."""
    bits = ordered - (1 << 31) if ordered >> 31 else 0xFFFFFFFF - ordered
    return float(np.array(bits, np.uint32).view(np.float32))
