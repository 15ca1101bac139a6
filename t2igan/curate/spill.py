"""Records sorted into parts by a 64-bit number, on disk where they are many. Not what is done with a part."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

PART = 1 << 21  # records a part, about: 100 MB of the largest ones
MAX_PARTS = 1 << 12


class Spill:
    """Takes records in any order and gives them back in parts; use it in a `with` block.

    Equal numbers come in one part, and the numbers of a part are above those of the part before. The numbers should be
    spread evenly, as hashes are. Records of one part stay in memory; more go to the folder for temporary files.

    Args:
        kind: of the records.
        at_most: upper bound of their number.
        part: records a part, about; None = PART.
    """

    def __init__(self, kind: np.dtype, at_most: int, *, part: int | None = None) -> None:
        self._kind = kind
        self._part = part or PART
        self._bits = math.ceil(math.log2(min(MAX_PARTS, max(1, at_most / self._part))))
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []  # (part, record)
        self._num_waiting = 0
        self._folder = tempfile.TemporaryDirectory(prefix="t2igan-select-") if self._bits else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, numbers: np.ndarray, records: np.ndarray) -> None:
        """Take records [n] with their numbers, uint64 [n]."""
        parts = (numbers >> np.uint64(64 - self._bits)) if self._bits else np.zeros(len(numbers), np.uint64)
        self._waiting.append((parts.astype(np.uint16), records))
        self._num_waiting += len(records)
        if self._folder is not None and self._num_waiting >= self._part:
            self._flush(Path(self._folder.name))

    def _flush(self, folder: Path) -> None:
        parts, records = self._gathered()
        order = np.argsort(parts, kind="stable")
        edges = np.searchsorted(parts[order], np.arange((1 << self._bits) + 1))
        for part in np.flatnonzero(np.diff(edges)):
            with (folder / str(part)).open("ab") as file:
                file.write(records[order[edges[part] : edges[part + 1]]].tobytes())

    def _gathered(self) -> tuple[np.ndarray, np.ndarray]:
        """What waits in memory, which is empty then."""
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        empty = (np.zeros(0, np.uint16), np.zeros(0, self._kind))
        parts, records = zip(empty, *waiting, strict=True)
        return np.concatenate(parts), np.concatenate(records)

    def parts(self) -> Iterator[np.ndarray]:
        """Records of one part after the other, in the order in which they were added; none of them empty."""
        if self._folder is None:
            records = self._gathered()[1]
            if len(records):
                yield records
            return
        folder = Path(self._folder.name)
        self._flush(folder)
        for part in range(1 << self._bits):
            if (folder / str(part)).is_file():
                yield np.fromfile(folder / str(part), self._kind)
