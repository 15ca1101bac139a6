"""SIGINT and SIGTERM as a wish to stop after the current step, so that a run is saved before it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopWish:
    """`wanted` turns True at the first signal; a second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        del frame
        if self.wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.wanted = True


@contextmanager
def stop_wish() -> Iterator[StopWish]:
    """Catch the signals inside the block, and put the old handlers back after it."""
    wish = StopWish()
    old = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
