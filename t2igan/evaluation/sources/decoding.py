"""Bytes of one picture -> pixels that are measured; and what a set of pictures should be warned of."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from t2igan.ahead import cores, in_order
from t2igan.data.pixels import BadSampleError, is_rotated, is_transparent, open_picture, read_header, to_rgb
from t2igan.errors import DataError
from t2igan.evaluation.preparation import Preparation

Item = TypeVar("Item")
Value = TypeVar("Value")

MAX_BYTES = 2**28
PNG_EXIF = (
    b"eXIf",
    b"Raw profile type exif",
)  # without one of them, looking for EXIF only decodes the picture
MAX_PIXELS = 178_956_970
GREY_MODES = ("L", "LA", "1", "I", "I;16")
MOST_THREADS, AHEAD = 16, 16  # pictures at least that are decoded before they are asked for
REPEATS, TURNED = "that repeat another byte for byte", "turned upright by EXIF"
JPEG, GREY, TRANSPARENT = "compressed as JPEG", "grey", "with transparency, laid over white"


def in_threads(do: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Value]:
    """`map` for work on single pictures, in as many threads as there are cores."""
    threads = min(cores(), MOST_THREADS)
    return in_order(do, items, threads=threads, ahead=max(AHEAD, 2 * threads))


def decode(data: bytes, where: str, preparation: Preparation) -> Tensor:
    """[3, H, W] uint8.

    Raises:
        DataError: naming the picture.
    """
    try:
        picture = preparation(to_rgb(open_picture(data, max_pixels=MAX_PIXELS)))
    except BadSampleError as problem:
        raise DataError(
            f"{where}: {problem.reason} ({problem.detail}). Remove or mend it; a count must be true."
        ) from problem
    return planes(picture)


def planes(picture: Image.Image) -> Tensor:
    """[3, H, W] uint8 of an RGB picture; a plane at a time costs half of an array that is turned afterwards."""
    size = (picture.height, picture.width)
    bands = [np.frombuffer(picture.tobytes("raw", band), np.uint8).reshape(size) for band in "RGB"]
    return torch.from_numpy(np.stack(bands))


@dataclass(frozen=True)
class Look:
    """What one file is like."""

    digest: bytes  # SHA-256
    size: tuple[int, int] | None = None  # None = no picture, of which decoding tells, with its name
    oddities: tuple[str, ...] = ()


def look_at(data: bytes) -> Look:
    """Hash one file and read its header."""
    digest = hashlib.sha256(data).digest()
    try:
        picture = read_header(io.BytesIO(data), max_pixels=MAX_PIXELS)
    except BadSampleError:
        return Look(digest)
    found = {
        JPEG: picture.format == "JPEG",
        GREY: picture.mode in GREY_MODES,
        TRANSPARENT: is_transparent(picture),
        TURNED: _is_turned(picture, data),
    }
    return Look(digest, picture.size, tuple(name for name, is_so in found.items() if is_so))


def _is_turned(picture: Image.Image, data: bytes) -> bool:
    if picture.format == "PNG" and not any(mark in data for mark in PNG_EXIF):
        return False
    try:
        return is_rotated(picture)
    except Exception:  # metadata of a broken file, of which decoding tells
        return False


class Looks:
    """What is unusual about a set of pictures."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, look: Look) -> None:
        """Count one file."""
        self._counts[REPEATS] += look.digest in self._seen
        self._seen.add(look.digest)
        self._counts.update(look.oddities)
        if look.size is not None:
            self._sizes[look.size] += 1

    def warnings(self) -> list[str]:
        """One line each."""
        order = (REPEATS, JPEG, GREY, TRANSPARENT, TURNED)
        found = [f"{self._counts[what]} pictures {what}" for what in order if self._counts[what]]
        sizes = [f"pictures of {len(self._sizes)} sizes"] if len(self._sizes) > 1 else []
        return found + sizes
