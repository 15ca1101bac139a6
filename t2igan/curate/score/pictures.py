"""Decoding the images of a shard ahead of the networks that look at them: in order, and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from t2igan.curate.measures.phash import thumbnail
from t2igan.data.pixels import BadSampleError, open_picture, to_rgb

Item = TypeVar("Item")
Value = TypeVar("Value")


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


def in_order(
    do: Callable[[Item], Value], items: Iterable[Item], *, threads: int, ahead: int
) -> Iterator[Value]:
    """`map` in several threads; at most `ahead` results wait."""
    if threads <= 1:
        yield from map(do, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Value]] = deque()
        for item in items:
            waiting.append(pool.submit(do, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
