"""Samples of tar shards, in the order of the files, each with its first caption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import IMAGE_SUFFIXES, read_captions
from t2igan.data.shards import find_shards
from t2igan.data.tars import Entry, index_tar, read_members
from t2igan.errors import DataError
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.source import Picture
from t2igan.evaluation.sources.decoding import Looks, decode, in_threads, look_at


class ShardsSource:
    """Every sample; one that cannot be read is an error, as a count must be true."""

    def __init__(self, pattern: str, preparation: Preparation) -> None:
        """Index the shards, and read them once for the fingerprint.

        Raises:
            DataError: if there are none, or one is broken.
        """
        self.name, self.protocol, self._prepare = pattern, preparation.text, preparation
        self._shards = [(path, index_tar(path)) for path in find_shards(pattern)]
        self._ends = np.cumsum([len(entries) for _, entries in self._shards])
        if not len(self):
            raise DataError(f"{pattern}: no samples in {len(self._shards)} shards.")
        self.fingerprint = self._fingerprint()
        self.warnings = self._looks().warnings()

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def captions(self) -> list[str]:
        """The first caption of every sample; "" where it has none."""
        return [self._caption(path, entry) for path, entries in self._shards for entry in entries]

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        """Samples start .. stop - 1.

        Raises:
            DataError: naming one that cannot be read.
        """
        yield from in_threads(self._picture, range(start, stop))

    def _picture(self, number: int) -> Picture:
        path, entry = self._at(number)
        image = decode(self._image(path, entry), f"{path}: {entry.key}", self._prepare)
        return Picture(image, self._caption(path, entry))

    def _at(self, number: int) -> tuple[Path, Entry]:
        at = int(np.searchsorted(self._ends, number, side="right"))
        path, entries = self._shards[at]
        return path, entries[number - int(self._ends[at] - len(entries))]

    def _image(self, path: Path, entry: Entry) -> bytes:
        suffix = next((s for s in IMAGE_SUFFIXES if s in entry.members), None)
        if suffix is None:
            raise DataError(f"{path}: {entry.key}: no image. `t2igan data filter` leaves such samples out.")
        try:
            return read_members(path, Entry(entry.key, {suffix: entry.members[suffix]}))[suffix]
        except BadSampleError as problem:
            raise DataError(
                f"{path}: {entry.key}: {problem.reason}. `t2igan data filter` leaves such samples out."
            ) from problem

    def _caption(self, path: Path, entry: Entry) -> str:
        texts = {suffix: at for suffix, at in entry.members.items() if suffix in ("txt", "json")}
        try:
            return read_captions(read_members(path, Entry(entry.key, texts)))[0]
        except BadSampleError:
            return ""

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for shard in in_threads(_digest, (path for path, _ in self._shards)):
            digest.update(shard)
        return digest.hexdigest()[:16]

    def _looks(self) -> Looks:
        looks = Looks()
        for look in in_threads(lambda number: look_at(self._image(*self._at(number))), range(len(self))):
            looks.add(look)
        return looks


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
