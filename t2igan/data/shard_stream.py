"""Tar shards as an endless stream of samples that can be entered anywhere. Batching is loader.py's."""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np

from t2igan.data.config import ShardsConfig
from t2igan.data.draws import MAX_DRAWS, Draws
from t2igan.data.fast_square import read_square_fast
from t2igan.data.order import POOL_SHARDS, EpochOrder
from t2igan.data.pixels import BadSampleError, read_square, too_small
from t2igan.data.samples import Decoded, Tally, decode
from t2igan.data.shard_files import ShardFiles
from t2igan.data.sidecar import Sidecar
from t2igan.data.tars import Entry, index_tar, read_members
from t2igan.errors import DataError
from t2igan.types import Sample

Place = tuple[int, int]  # shard number, number of the sample in it


class ShardsStream:
    """Sample number i is a pure function of (files, config, resolution, seed, i).

    Every good sample comes once an epoch. The place of a bad one is taken by another, chosen by (seed, i).
    """

    def __init__(
        self, config: ShardsConfig, *, resolution: int, seed: int, embeddings: str | None = None
    ) -> None:
        """Find the shards and count their samples.

        Args:
            config: of a single source.
            resolution: side of the images, in pixels.
            seed: of the order, and of the choice among captions.
            embeddings: fingerprint of the conditioner whose sidecars are read; None = none are.

        Raises:
            DataError: if the data is missing or broken.
        """
        (source,) = config.sources
        self.source = source.shards
        self.config = config
        self.resolution = resolution
        self.seed = seed
        self.embeddings = embeddings
        self.files = ShardFiles(config, resolution=resolution)
        self.order = EpochOrder(self.files.counts, seed=seed, shuffle=config.shuffle)
        self.tally = Tally()
        self._indices: OrderedDict[int, list[Entry]] = OrderedDict()  # of the shards read last
        self._sidecars: OrderedDict[int, Sidecar] = OrderedDict()  # the same
        self._cache: dict[Place, Decoded | BadSampleError] = {}

    def __len__(self) -> int:
        return self.order.total

    def sample(self, index: int) -> Sample:
        """Read sample `index`, 0 or more.

        Raises:
            DataError: if a shard is broken, or more samples are bad than the config allows.
        """
        place = self.order.locate(index)
        self.tally.tried += 1
        decoded = self._decode(place)
        if isinstance(decoded, BadSampleError):
            self.tally.skip(self._name(place), decoded)
            place, decoded = self._substitute(index)
        limit = self.config.max_bad_fraction
        self.tally.check(self.source, total=len(self), max_bad_fraction=limit)
        number = Draws("caption", self.seed, index).pick(range(len(decoded.captions)))
        return Sample(
            decoded.image,
            decoded.captions[number],
            decoded.labels,
            key=self._entries(place[0])[place[1]].key,
            embed=self._embed(place, number, decoded),
        )

    def _substitute(self, index: int) -> tuple[Place, Decoded]:
        """The first good one of 64 random samples."""
        draws, bad = Draws("substitute", self.seed, index), Counter[str]()
        epoch = range(index - index % len(self), index - index % len(self) + len(self))
        for _ in range(MAX_DRAWS):
            place = self.order.locate(draws.pick(epoch))
            decoded = self._decode(place)
            if isinstance(decoded, Decoded):
                return place, decoded
            bad[decoded.reason] += 1
        reasons = ", ".join(f"{n} x {reason}" for reason, n in bad.most_common())
        raise DataError(f"{self.source}: {MAX_DRAWS} random samples in a row cannot be used ({reasons}). "
                        f"{self._advice(bad.most_common(1)[0][0])}")  # fmt: skip

    def _advice(self, reason: str) -> str:
        if reason == too_small(self.resolution):
            return (
                f"The images are too small for a stage of {self.resolution} px, and none is ever enlarged: give "
                f"larger ones, or train at a lower resolution."
            )
        return "Check that the shards hold images with captions."

    def _embed(self, place: Place, caption: int, decoded: Decoded) -> np.ndarray | None:
        """The sidecar's row of a sample's caption."""
        if self.embeddings is None:
            return None
        shard, number = place
        if shard not in self._sidecars:
            count = int(self.order.counts[shard])
            self._sidecars[shard] = Sidecar(self.files.local(shard), count=count, fingerprint=self.embeddings)
            if len(self._sidecars) > 2 * POOL_SHARDS:
                self._sidecars.popitem(last=False)
        return self._sidecars[shard].row(number, caption, captions=len(decoded.captions))

    def _decode(self, place: Place) -> Decoded | BadSampleError:
        if place in self._cache:
            return self._cache[place]
        shard, number = place
        try:
            entry = self._entries(shard)[number]
            members = self.files.read(shard, lambda path: read_members(path, entry))
            read = read_square_fast if self.config.decode == "fast" else read_square
            found = decode(members, resolution=self.resolution, max_pixels=self.config.max_pixels, read=read)
        except BadSampleError as problem:
            found = problem.with_traceback(None)  # the traceback would keep the image's bytes
        if self.config.cache:
            self._cache[place] = found
        return found

    def _entries(self, shard: int) -> list[Entry]:
        """The index of a shard; of two pools of shards at most."""
        if shard not in self._indices:
            self._indices[shard] = self._index(shard)
            if len(self._indices) > 2 * POOL_SHARDS:
                self._indices.popitem(last=False)
        return self._indices[shard]

    def _index(self, shard: int) -> list[Entry]:
        entries, counted = self.files.read(shard, index_tar), int(self.order.counts[shard])
        if len(entries) != counted:
            place = self.files.places[shard]
            raise DataError(f"{place}: holds {len(entries)} samples, but {Path(place).stem}_stats.json says {counted}. "
                            "Remove the _stats.json, or write the shard again.")  # fmt: skip
        return entries

    def _name(self, place: Place) -> str:
        return f"{self.files.places[place[0]]}: {self._entries(place[0])[place[1]].key}"
