"""Bytes of one picture -> pixels that are measured; and what a set of pictures should be warned of."""

from __future__ import annotations

import hashlib
import io
from collections import Counter

import numpy as np
import torch
from torch import Tensor

from t2igan.data.pixels import BadSampleError, is_rotated, is_transparent, open_picture, read_header, to_rgb
from t2igan.errors import DataError
from t2igan.evaluation.preparation import Preparation

MAX_BYTES = 2**28
PNG_EXIF = (
    b"eXIf",
    b"Raw profile type exif",
)  # without one of them, looking for EXIF only decodes the picture
MAX_PIXELS = 178_956_970


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
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


class Looks:
    """What is unusual about a set of pictures, by their headers."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, data: bytes) -> None:
        """Look at one file."""
        digest = hashlib.blake2b(data, digest_size=16).digest()
        self._counts["that repeat another byte for byte"] += digest in self._seen
        self._seen.add(digest)
        try:
            picture = read_header(io.BytesIO(data), max_pixels=MAX_PIXELS)
        except BadSampleError:
            return  # decoding says so, with its name
        self._sizes[picture.size] += 1
        self._counts["compressed as JPEG"] += picture.format == "JPEG"
        self._counts["grey"] += picture.mode in ("L", "LA", "1", "I", "I;16")
        self._counts["with transparency, laid over white"] += is_transparent(picture)
        try:
            if picture.format != "PNG" or any(mark in data for mark in PNG_EXIF):
                self._counts["turned upright by EXIF"] += is_rotated(picture)
        except Exception:  # metadata of a broken file, of which decoding tells
            return

    def warnings(self) -> list[str]:
        """One line each."""
        found = [f"{n} pictures {what}" for what, n in self._counts.items() if n]
        sizes = [f"pictures of {len(self._sizes)} sizes"] if len(self._sizes) > 1 else []
        return found + sizes
