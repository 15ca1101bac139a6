"""Decoding one image of a shard as far as the networks and hashes that look at it need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2igan.curate.measures.phash import thumbnail
from t2igan.data.pixels import BadSampleError, open_picture, to_rgb


@dataclass(frozen=True)
class Decoded:
    """What is kept of one decoded image."""

    row: int
    caption: str
    problem: str = ""
    thumbnail: np.ndarray | None = None  # for the perceptual hash
    prepared: Any = None  # for the networks


def decode(
    row: int,
    image: bytes,
    caption: str,
    *,
    max_pixels: int,
    prepare: Callable[[Any], Any] | None,
    has_thumbnail: bool,
) -> Decoded:
    """Decode one image as far as it is needed; an image that cannot be is a problem, not an error."""
    is_checked_only = prepare is None and not has_thumbnail
    try:
        picture = to_rgb(open_picture(image, max_pixels=max_pixels, is_small=is_checked_only))
    except BadSampleError as problem:
        return Decoded(row, caption, problem.reason)
    small = thumbnail(picture) if has_thumbnail else None
    return Decoded(row, caption, "", small, prepare(picture) if prepare else None)
