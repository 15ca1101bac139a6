"""In which order samples are read: every one once an epoch, in an order that can be entered anywhere."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from t2igan.data.draws import permutation

POOLS_KEPT = 4  # orders of pools: a batch reads neighbouring positions
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
        self._pools: OrderedDict[int, np.ndarray] = (
            OrderedDict()
        )  # orders of the pools read last, of this epoch

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
            rest = start + int(self._samples(end - start, first)[rest - start])
            at = int(np.searchsorted(self._ends, rest, side="right"))
        shard = int(self._shards[at])
        return shard, rest - int(self._ends[at] - self.counts[shard])

    def _plan(self, epoch: int) -> None:
        """Order the shards of an epoch."""
        self._epoch = epoch
        self._pools.clear()
        length = len(self.counts)
        self._shards = permutation(length, "shards", self.seed, epoch) if self.shuffle else np.arange(length)
        self._ends = np.cumsum(self.counts[self._shards])

    def _samples(self, length: int, first: int) -> np.ndarray:
        """Order of the samples of the pool that begins at place `first` of the epoch's list of shards."""
        if first not in self._pools:
            self._pools[first] = permutation(length, "samples", self.seed, self._epoch, first)
            if len(self._pools) > POOLS_KEPT:
                self._pools.popitem(last=False)
        return self._pools[first]
