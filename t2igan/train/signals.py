"""Signals as a wish to stop after the current step, so that a run is saved before it ends.

SIGINT and SIGTERM end it (exit code 130). SIGUSR1, which a batch system sends ahead of a time limit, asks for the same
with exit code 3: run the command again.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from t2igan.errors import T2IGanError


class RunStoppedError(T2IGanError):
    """The user, or a batch system, stopped the run."""

    exit_code = 130


class RestartWantedError(RunStoppedError):
    """The run was stopped ahead of a time limit and should be started again."""

    exit_code = 3


class StopWish:
    """`wanted` turns True at the first signal; a second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.wanted = False
        self.is_restart = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        del frame
        if self.wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.wanted = True
        self.is_restart = number == signal.SIGUSR1


@contextmanager
def stop_wish() -> Iterator[StopWish]:
    """Catch the signals inside the block, and put the old handlers back after it."""
    wish = StopWish()
    old = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield wish
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
