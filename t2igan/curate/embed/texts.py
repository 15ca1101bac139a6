"""The captions of a shard, as training reads them. Encodes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import read_captions
from t2igan.data.tars import Entry, index_tar, read_members

TEXT_SUFFIXES = ("txt", "json")
Captions = tuple[str, ...]  # of one sample; none where no caption can be read


def read_texts(path: Path) -> list[Captions]:
    """The captions of every sample of a tar, in its order; images are not read.

    Raises:
        DataError: if the tar is damaged: training would not read it either.
    """
    return [_captions(path, entry) for entry in index_tar(path)]


def _captions(path: Path, entry: Entry) -> Captions:
    texts = {suffix: place for suffix, place in entry.members.items() if suffix in TEXT_SUFFIXES}
    try:
        return read_captions(read_members(path, Entry(entry.key, texts)))
    except BadSampleError:
        return ()  # which training skips


class TextHash:
    """SHA-256 over all captions of a shard, and over which sample has which."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.rows = 0  # captions so far

    def add(self, captions: Sequence[str]) -> None:
        """The captions of the next sample."""
        self._digest.update(json.dumps(list(captions)).encode() + b"\n")  # ASCII: lone surrogates do no harm
        self.rows += len(captions)

    def hexdigest(self) -> str:
        """64 hex digits."""
        return self._digest.hexdigest()


def hash_texts(texts: Iterable[Sequence[str]]) -> str:
    """The hash of a shard's captions at once."""
    digest = TextHash()
    for captions in texts:
        digest.add(captions)
    return digest.hexdigest()
