"""Perceptual hashes: 64 bits that stay nearly the same when a picture is resized or compressed. Not their comparison.

Source: the DCT hash of Zauner 2010 in the form of the library imagehash, which other tools store: bit for bit the
same as its `phash`, so that hashes of other tools can be compared with ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 32  # pixels of the gray thumbnail
LOW = 8  # lowest frequencies in each direction, the constant one included
DECIMALS = 6  # of coefficients up to 1e6: far above float64's noise, which else would decide the bits of plain pictures


def phash(pictures: Sequence[Image.Image]) -> np.ndarray:
    """Hash pictures of any sizes and modes; uint64 [N], whose highest bit is the hash's first."""
    if not pictures:
        return np.zeros(0, np.uint64)
    return hash_thumbnails(np.stack([thumbnail(picture) for picture in pictures]))


def thumbnail(picture: Image.Image) -> np.ndarray:
    """The part that several threads can do at once, one a picture: gray, 32 x 32, Lanczos; uint8 [32, 32]."""
    return np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def hash_thumbnails(thumbnails: np.ndarray) -> np.ndarray:
    """uint8 [N, 32, 32] -> uint64 [N]: which of 8 x 8 low DCT coefficients lie above their median, row by row."""
    cosines = _cosines()
    low = (cosines @ thumbnails.astype(np.float64) @ cosines.T).round(DECIMALS).reshape(-1, LOW * LOW)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).reshape(-1)


def _cosines() -> np.ndarray:
    """The first 8 rows of the unnormalised DCT-II, float64 [8, 32]."""
    places = (2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
    return 2 * np.cos(np.arange(LOW)[:, None] * places)
