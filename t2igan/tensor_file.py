"""The layout of a safetensors file: the JSON in front of it, and where the bytes of each tensor lie. Needs no torch."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from t2igan.errors import CheckpointError

MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit
PIECE_BYTES = 1 << 24  # read at once


@dataclass(frozen=True)
class Stored:
    """How a file stores one tensor."""

    dtype: str  # safetensors' name, such as F32
    shape: tuple[int, ...]
    start: int  # byte offsets within the data
    end: int


@dataclass(frozen=True)
class Layout:
    """What stands in front of the data."""

    strings: dict[str, str]  # `__metadata__`
    tensors: dict[str, Stored]
    data_start: int  # byte offset of the data within the file


def read_layout(path: Path) -> Layout:
    """Read the JSON in front of a safetensors file.

    Raises:
        CheckpointError: if it is no safetensors file, or shorter than it says.
    """
    with path.open("rb") as file:
        return parse_layout(file, path.stat().st_size, name=str(path))


def parse_layout(file: IO[bytes], size: int, *, name: str) -> Layout:
    """Read the JSON in front of an open safetensors file of `size` bytes; `name` is for messages.

    Raises:
        CheckpointError: if it is no safetensors file, or shorter than it says.
    """
    damaged = CheckpointError(f"{name}: not a safetensors file, or cut short. Copy or download it again.")
    length_bytes = file.read(8)
    length = struct.unpack("<Q", length_bytes)[0] if len(length_bytes) == 8 else MAX_HEADER_BYTES + 1
    if length > min(MAX_HEADER_BYTES, size):
        raise damaged
    try:
        header = json.loads(file.read(length))
        strings = {str(k): str(v) for k, v in (header.pop("__metadata__", None) or {}).items()}
        stored = {key: _stored(entry) for key, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged from error
    if size < 8 + length + max((entry.end for entry in stored.values()), default=0):
        raise CheckpointError(f"{name}: cut short ({size} bytes). Copy or download it again.")
    return Layout(strings, stored, 8 + length)


def _stored(entry: dict[str, Any]) -> Stored:
    start, end = (int(offset) for offset in entry["data_offsets"])
    return Stored(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]), start, end)


def pieces(file: int, layout: Layout) -> dict[str, Iterator[bytes]]:
    """The bytes of every tensor, read as they are asked for; several threads may ask at once.

    Args:
        file: descriptor of the open file.
        layout: what stands in front of its data.
    """
    begin = layout.data_start
    return {name: _read(file, begin + at.start, begin + at.end) for name, at in layout.tensors.items()}


def _read(file: int, start: int, end: int) -> Iterator[bytes]:
    for place in range(start, end, PIECE_BYTES):
        yield os.pread(file, min(PIECE_BYTES, end - place), place)
