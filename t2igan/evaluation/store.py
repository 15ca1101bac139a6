"""Rows that networks gave, kept on disk a chunk of pictures at a time: a killed evaluation goes on where it was.

A chunk is a safetensors file, written whole or not at all, under a key that changes with the pictures, their preparation,
the network and its own preparation. Statistics are taken chunk by chunk in order, so they do not depend on who made them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from t2igan.evaluation.probes import Probe
from t2igan.evaluation.source import ImageSource
from t2igan.files import write_atomic

CHUNK = 1024  # pictures


class Rows:
    """The rows of one probe over one source."""

    def __init__(
        self, cache: Path, source: ImageSource, probe: Probe, *, chunk_size: int | None = None
    ) -> None:
        """Name the files.

        Args:
            cache: folder of the rows of all sources and probes.
            source: pictures.
            probe: what looks at them.
            chunk_size: pictures a file; None = CHUNK.
        """
        self._size = chunk_size or CHUNK
        self.probe_name, self.probe_protocol = probe.name, probe.protocol
        self.source_name, self.source_protocol = source.name, source.protocol
        self.count = len(source)
        parts = (source.fingerprint, source.protocol, probe.name, probe.protocol, str(self._size))
        self.folder = cache / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]

    @property
    def num_chunks(self) -> int:
        """Files when complete."""
        return -(-self.count // self._size)

    def span(self, chunk: int) -> range:
        """The pictures of a chunk."""
        return range(chunk * self._size, min((chunk + 1) * self._size, self.count))

    def missing(self) -> list[int]:
        """Chunks that are not there yet."""
        return [chunk for chunk in range(self.num_chunks) if not self._path(chunk).is_file()]

    def write(self, chunk: int, rows: dict[str, Tensor]) -> None:
        """Keep a chunk."""
        assert all(len(values) == len(self.span(chunk)) for values in rows.values())
        write_atomic(self._path(chunk), save({name: values.contiguous() for name, values in rows.items()}))

    def chunks(self, name: str) -> Iterator[Tensor]:
        """[n, D] float32 of every chunk, in order; a damaged file is removed and is missing from then on.

        Raises:
            FileNotFoundError: if one is missing.
        """
        for chunk in range(self.num_chunks):
            try:
                yield load_file(self._path(chunk))[name]
            except SafetensorError as error:
                self._path(chunk).unlink(missing_ok=True)
                raise FileNotFoundError(f"{self._path(chunk)}: damaged ({error})") from error

    def all(self, name: str) -> Tensor:
        """[N, D] float32."""
        return torch.cat(list(self.chunks(name)))

    def _path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:06d}.safetensors"
