"""In which order samples are read: every one once an epoch, in an order that can be entered anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from t2igan.data.draws import permutation

POOL_SHARDS = 8  # shards whose samples are mixed with each other; more mixes better and reads from more files


class EpochOrder:
    """Position in the endless stream -> (shard, offset in it), computed and never replayed.

    Each epoch permutes the shards, cuts the list into pools of eight and permutes the samples of a pool.
    """

    def __init__(self, counts: Sequence[int], *, seed: int, shuffle: bool) -> None:
        self.counts = np.asarray(counts, dtype=np.int64)
        self.total = int(self.counts.sum())
        self.seed = seed
        self.shuffle = shuffle
        self._epoch = -1

    def locate(self, position: int) -> tuple[int, int]:
        """Shard number and sample number in it of `position`, 0 or more."""
        epoch, rest = divmod(position, self.total)
        if epoch != self._epoch:
            self._plan(epoch)
        at = int(np.searchsorted(self._ends, rest, side="right"))  # place in this epoch's list of shards
        if self.shuffle:
            first = at - at % POOL_SHARDS
            start = int(self._ends[first - 1]) if first else 0
            end = int(self._ends[min(first + POOL_SHARDS, len(self._ends)) - 1])
            rest = start + int(_samples(end - start, self.seed, epoch, first)[rest - start])
            at = int(np.searchsorted(self._ends, rest, side="right"))
        shard = int(self._shards[at])
        return shard, rest - int(self._ends[at] - self.counts[shard])

    def _plan(self, epoch: int) -> None:
        """Order the shards of an epoch."""
        self._epoch = epoch
        length = len(self.counts)
        self._shards = permutation(length, "shards", self.seed, epoch) if self.shuffle else np.arange(length)
        self._ends = np.cumsum(self.counts[self._shards])


@lru_cache(maxsize=4)
def _samples(length: int, seed: int, epoch: int, first: int) -> np.ndarray:
    """Order of the samples of one pool; the last few are kept, as a batch reads neighbouring positions."""
    return permutation(length, "samples", seed, epoch, first)
