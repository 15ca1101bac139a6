"""Several sources as one endless stream, in shares by weight. Reads nothing: it says whose turn a position is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from t2igan.data.draws import permutation
from t2igan.errors import DataError

CYCLE = 10_000  # positions in which the shares are exact


class Mixture:
    """Position in the mixed stream -> (source, position in that source's own stream), computed and never replayed.

    Each 10,000 positions hold every source in proportion to its weight, in an order of their own. A source's own
    positions come one after the other, so that it keeps its epochs.
    """

    def __init__(self, weights: Sequence[float], *, seed: int) -> None:
        """Shares of the sources.

        Raises:
            DataError: if a weight is so small that its source would never come.
        """
        self.counts = turns(weights)
        self.seed = seed

    def locate(self, position: int) -> tuple[int, int]:
        """Source and position in it of `position`, 0 or more."""
        cycle, rest = divmod(position, CYCLE)
        sources, before = _plan(self.counts, self.seed, cycle)
        source = int(sources[rest])
        return source, cycle * self.counts[source] + int(before[rest])


def turns(weights: Sequence[float]) -> tuple[int, ...]:
    """How many of 10,000 positions each source gets, by the largest remainder.

    Raises:
        DataError: if a source gets none.
    """
    exact = np.asarray(weights, dtype=np.float64) / np.sum(weights) * CYCLE
    counts = np.floor(exact).astype(np.int64)
    short = CYCLE - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    if not counts.all():
        number = int(counts.argmin())
        raise DataError(
            f"data.shards.{number}.weight: {weights[number]:g} is less than one in {CYCLE:,} of all weights, so that its "
            f"samples would never come. Raise it, or leave the source out."
        )
    return tuple(counts.tolist())


@lru_cache(maxsize=4)
def _plan(counts: tuple[int, ...], seed: int, cycle: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each position of a cycle: its source, and how many positions before it in the cycle are the same source's."""
    sources = np.repeat(np.arange(len(counts)), counts)[permutation(CYCLE, "mixture", seed, cycle)]
    before = np.empty(CYCLE, dtype=np.int64)
    for source, count in enumerate(counts):
        before[sources == source] = np.arange(count)
    return sources, before
