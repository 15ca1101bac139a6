"""A file's bytes as a stream that copies nothing large: weights of many gigabytes cost memory only where they are used.

Not a parser: it knows neither pickles nor tensors.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from t2igan.errors import CheckpointError

SMALL = 4096  # bytes; shorter reads are copied, longer ones are views of the file
MAX_LINE = 1 << 16  # bytes of a line; those of pickles are names and numbers


class MappedFile:
    """A position in a read-only buffer, with the three methods that `pickletools` asks of a file."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._at = 0

    def tell(self) -> int:
        """Bytes read so far."""
        return self._at

    def read(self, size: int) -> bytes | memoryview:
        """At most `size` bytes; fewer at the end, so that no length in a file makes us allocate."""
        found = self.data[self._at : self._at + size]
        self._at += len(found)
        return bytes(found) if len(found) <= SMALL else found

    def readline(self) -> bytes:
        """Up to and with the next line break; without one if there is none within MAX_LINE bytes."""
        ahead = bytes(self.data[self._at : self._at + MAX_LINE])
        found = ahead[: ahead.find(b"\n") + 1] or ahead
        self._at += len(found)
        return found


def open_mapped(path: str | Path) -> MappedFile:
    """Map a file; it must stay as it is while anything read from it is in use.

    Raises:
        CheckpointError: if there is no such file, or it is empty.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file.")
    if not path.stat().st_size:
        raise CheckpointError(f"{path}: an empty file. Copy or download it again.")
    with path.open("rb") as file:
        return MappedFile(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
