"""Shares what a counter counts (seconds, FLOPs) out among named parts of a program. Knows no network and no loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

REST = "other"


class Meter:
    """Books a counter's advance on the innermost open part, so that the parts sum to the whole.

    >>> meter.start(time.perf_counter)
    >>> with meter.part("forward"): ...
    >>> meter.stop()    # {"forward": 0.8, "other": 0.1}
    """

    def __init__(self) -> None:
        self.start(float)  # float() is 0.0: counts nothing

    def start(self, read: Callable[[], float]) -> None:
        """Begin anew with a counter that never goes back."""
        self._read = read
        self._totals: dict[str, float] = {}
        self._open = [REST]
        self._last = read()

    def stop(self) -> dict[str, float]:
        """What each part was booked since the start; counts nothing from here on."""
        self._book()
        totals = self._totals
        self.start(float)
        return totals

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Book on `name` inside the block, but for inner parts."""
        self._book()
        self._open.append(name)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def turn(self, name: str) -> None:
        """Book on `name` from here to the next turn or the end of the surrounding part."""
        self._book()
        self._open[-1] = name

    def timed(self, name: str, call: Callable[..., Any], *, then: str | None = None) -> Callable[..., Any]:
        """`call`, booked on `name`; what follows it is booked on `then`, if given."""

        def booked(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                result = call(*args, **kwargs)
            if then is not None:
                self.turn(then)
            return result

        return booked

    def _book(self) -> None:
        now = self._read()
        self._totals[self._open[-1]] = self._totals.get(self._open[-1], 0.0) + now - self._last
        self._last = now
