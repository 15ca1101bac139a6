"""One line on stderr about a long run over shards: how far, how fast, how long still. Prints nothing else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

EVERY_S = {True: 0.2, False: 30.0}  # a terminal, a log file


class Progress:
    """Counts shards and samples; use it in a `with` block."""

    def __init__(self, verb: str, shards: int, *, is_quiet: bool = False) -> None:
        self._verb = verb
        self._shards = shards
        self._is_quiet = is_quiet
        self._done = 0
        self._samples = 0
        self._start = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_quiet and self._done:
            self._show(end="\n")
        if not self._is_quiet and kind is KeyboardInterrupt:
            sys.stderr.write(f"{self._verb}: interrupted; the same command goes on from here\n")

    def add(self, samples: int) -> None:
        """Count one shard."""
        self._done += 1
        self._samples += samples
        now = time.monotonic()
        if not self._is_quiet and now - self._shown >= EVERY_S[sys.stderr.isatty()]:
            self._shown = now
            self._show(end="" if sys.stderr.isatty() else "\n")

    def _show(self, *, end: str) -> None:
        seconds = time.monotonic() - self._start
        rest = seconds / self._done * (self._shards - self._done)
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        sys.stderr.write(
            f"{start}{self._verb}: {self._done}/{self._shards} shards, {self._samples:,} samples, "
            f"{self._samples / max(seconds, 1e-9):,.0f}/s, {_clock(rest)} left{end}"
        )
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
