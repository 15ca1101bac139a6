"""Signals as a wish to stop after the current step, so that a run is saved before it ends.

SIGINT and SIGTERM end it (exit code 130). SIGUSR1, which a batch system sends ahead of a time limit, asks for the same
with exit code 3: run the command again.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from t2igan.errors import T2IGanError
from t2igan.train.agreement import any_rank

SAME_S = (
    2.0  # a terminal's Ctrl-C reaches a process twice: from the terminal, and from torchrun that passes it on
)


class RunStoppedError(T2IGanError):
    """The user, or a batch system, stopped the run, and it was saved."""

    exit_code = 130


class RestartWantedError(RunStoppedError):
    """The run was stopped ahead of a time limit and should be started again."""

    exit_code = 3


class StoppedUnsavedError(RunStoppedError):
    """The run was stopped, but could not be saved."""

    exit_code = 1


class StopWish:
    """`wanted` turns True at the first signal; a later SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.wanted = False
        self.is_restart = False  # the first signal decides
        self._since = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        del frame
        if self.wanted:
            if number == signal.SIGINT and time.monotonic() > self._since + SAME_S:
                raise KeyboardInterrupt
            return
        self.wanted, self._since = True, time.monotonic()
        self.is_restart = number == signal.SIGUSR1

    def of_any_rank(self, device: torch.device) -> bool:
        """Whether any rank was asked to stop: all of them must leave after the same step, with the same exit code."""
        if not any_rank(self.wanted, device):
            return False
        self.is_restart = any_rank(self.is_restart, device)
        return True


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
