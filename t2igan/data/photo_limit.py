"""Pillow's limit of pixels, raised while pictures are read whose size is judged here. Not the judgement itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image


class _Limit:
    """The limit is the process's, so the last reader that leaves puts the old one back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: list[int] = []
        self._before: int | None = None

    def enter(self, max_pixels: int) -> None:
        with self._lock:
            if not self._readers:
                self._before = Image.MAX_IMAGE_PIXELS
            self._readers.append(max_pixels)
            self._apply()

    def leave(self, max_pixels: int) -> None:
        with self._lock:
            self._readers.remove(max_pixels)
            self._apply()

    def _apply(self) -> None:
        before = self._before
        Image.MAX_IMAGE_PIXELS = None if before is None else max([before, *self._readers])


_LIMIT = _Limit()


@contextmanager
def pixels_allowed(max_pixels: int) -> Iterator[None]:
    """Let Pillow open and decode pictures of up to `max_pixels` pixels without a word; it refuses those of over twice that.

    In several threads at once the largest limit holds for all of them, so each still judges its pictures by their header.
    Pillow's own limit holds where it is the larger one.
    """
    _LIMIT.enter(max_pixels)
    try:
        yield
    finally:
        _LIMIT.leave(max_pixels)
