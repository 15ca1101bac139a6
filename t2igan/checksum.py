"""A checksum over named buffers and strings, fast enough for a whole training state. No protection against forgery."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

MAX_THREADS = 8  # CRC-32 does about 1 GB/s a core; eight of them keep up with a fast disk
Buffer = bytes | bytearray | memoryview


def checksum(parts: Mapping[str, Iterable[Buffer]], strings: Mapping[str, str]) -> str:
    """CRC-32 of every part and string with its name, as `crc32:` and eight hex digits; their order does not matter.

    Args:
        parts: name -> its bytes in pieces, each contiguous; drawn in threads, as zlib lets others run meanwhile.
        strings: name -> text.
    """
    names = sorted(parts)
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as threads:
        sums = list(threads.map(lambda name: _crc32(parts[name]), names))
    lines = [f"{name}:{value:08x}" for name, value in zip(names, sums, strict=True)]
    lines += [f"{name}={strings[name]}" for name in sorted(strings)]
    return f"crc32:{zlib.crc32(chr(10).join(lines).encode()):08x}"


def _crc32(pieces: Iterable[Buffer]) -> int:
    value = 0
    for piece in pieces:
        value = zlib.crc32(piece, value)
    return value
