"""Which samples a tar shard holds, and where their bytes lie. Not decoding them.

A tar is treated as hostile: no name in it is ever used as a path, links and devices are ignored, nothing is unpacked.
webdataset streams a shard from front to back; a seeded order that can start anywhere needs seeks, so this is our own.
"""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import MAX_BYTES
from t2igan.errors import DataError

BLOCK = tarfile.BLOCKSIZE
BROKEN = (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError)
"""What tarfile raises on hostile bytes; the last for long names of long names of ..."""


@dataclass(frozen=True)
class Entry:
    """One sample of a shard."""

    key: str
    members: dict[str, tuple[int, int]]  # suffix -> (offset of its bytes in the tar, size)


def index_tar(path: Path) -> list[Entry]:
    """List the samples of a plain tar in the order of their first member.

    A key is a member's name up to the first dot of its last part, as in webdataset. A second member with the same
    key and suffix opens another sample. Members with a suffix that nobody reads count as part of their sample.

    Raises:
        DataError: if the file is missing, empty, compressed, truncated or no tar.
    """
    check_end(path)
    entries, end, error = _scan(path)
    if error is not None:
        raise DataError(f"{path}: not a readable tar ({error}). Fetch or write this shard again.") from error
    if not _is_zero(path, end):  # tarfile stops quietly at a header it cannot read
        raise DataError(
            f"{path}: damaged at byte {end}, after {len(entries)} samples. Fetch this shard again."
        )
    return entries


def _scan(path: Path) -> tuple[list[Entry], int, Exception | None]:
    """The samples, the byte behind them, and what ended the reading before the tar's end."""
    entries: list[Entry] = []
    latest: dict[str, Entry] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                _add(member, entries, latest)
            return entries, tar.offset, None
    except BROKEN as error:
        return entries, 0, error


@dataclass(frozen=True)
class Salvage:
    """What can be read of a tar."""

    entries: list[Entry]
    cut: frozenset[int]  # numbers of the entries that lost a member where the file ends
    damage: str  # what is wrong with the tar as a whole; "" = nothing


def salvage_tar(path: Path) -> Salvage:
    """List the samples of a tar, up to where it is broken. Never raises for what is in the file.

    Raises:
        DataError: if the file is not there or may not be read.
    """
    damage = ""
    try:
        check_end(path)
    except DataError as error:
        damage = str(error).removeprefix(f"{path}: ")
        if not path.is_file() or not os.access(path, os.R_OK):
            raise
    entries, end, broken = _scan(path)
    if broken is not None:
        damage = damage or f"not a readable tar ({broken})"
    size = path.stat().st_size
    if not damage and not _is_zero(path, end):
        damage = f"damaged at byte {end}"
    cut = {
        n
        for n, entry in enumerate(entries)
        if any(at + length > size for at, length in entry.members.values())
    }
    return Salvage(entries, frozenset(cut), damage)


def _is_zero(path: Path, start: int) -> bool:
    """Whether the block that begins at `start` is an end mark."""
    with path.open("rb") as file:
        file.seek(start)
        return not any(file.read(BLOCK))


def _add(member: tarfile.TarInfo, entries: list[Entry], latest: dict[str, Entry]) -> None:
    """Put one member into the sample of its key.

    Raises:
        tarfile.ReadError: if its size is negative, which would lead backwards.
    """
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return
    if member.size < 0:
        raise tarfile.ReadError("a member of negative size")
    name = PurePosixPath(member.name)
    stem, _, suffix = name.name.partition(".")
    key, suffix = str(name.parent / stem), suffix.lower()
    if not stem or not suffix:
        return
    if key not in latest or suffix in latest[key].members:
        latest[key] = Entry(key, {})
        entries.append(latest[key])
    latest[key].members[suffix] = (member.offset_data, member.size)


def check_end(path: Path) -> None:
    """Make sure that a tar has its end mark, a block of zeros; costs one seek.

    Raises:
        DataError: if the file is missing, empty or cut off.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - BLOCK))
            tail = file.read(BLOCK)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error
    if size == 0:
        raise DataError(f"{path}: is empty (0 bytes). Fetch or write this shard again.")
    if size % BLOCK or any(tail):
        raise DataError(
            f"{path}: is truncated or no tar ({size} bytes, no end mark). Fetch or write it again."
        )


def read_members(path: Path, entry: Entry) -> dict[str, bytes]:
    """Read the members of a sample that have a known suffix.

    Raises:
        BadSampleError: if a member is larger than its kind may be, or lies beyond the end of the file.
        DataError: if the shard cannot be opened any more.
    """
    members: dict[str, bytes] = {}
    try:
        with path.open("rb") as file:
            for suffix in MAX_BYTES.keys() & entry.members.keys():
                offset, size = entry.members[suffix]
                if size > MAX_BYTES[suffix]:
                    raise BadSampleError(f".{suffix} too large", f"{size} bytes, at most {MAX_BYTES[suffix]}")
                file.seek(offset)
                members[suffix] = file.read(size)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read any more ({error.strerror}). Was it moved while training?"
        ) from error
    return members
