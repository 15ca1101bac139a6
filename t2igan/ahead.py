"""Work that is done before it is asked for, in threads: the values and the order of a plain loop. No processes, no torch.

An error comes up where its value would have, as it was raised. Who leaves early, by an error or by closing the iterator,
leaves no thread behind.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    do: Callable[[Item], Value], items: Iterable[Item], *, threads: int, ahead: int
) -> Iterator[Value]:
    """`map` in several threads.

    Args:
        do: called with each item, in any thread; with one thread, in the caller's own.
        items: taken in the caller's thread.
        threads: how many.
        ahead: values at most that wait or are made.
    """
    if threads <= 1:
        yield from map(do, items)
        return
    pool, waiting = ThreadPoolExecutor(threads), deque[Future[Value]]()
    try:
        for item in items:
            waiting.append(pool.submit(do, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def in_background(
    items: Iterator[Item], *, ahead: int, prepare: Callable[[], None] | None = None
) -> Iterator[Iterator[Item]]:
    """The items of an iterator, which a thread of its own takes ahead of the caller.

    >>> with in_background(batches(), ahead=2) as coming:
    ...     for batch in coming: ...

    Args:
        items: taken, and closed at the end if it is a generator, in that thread.
        ahead: items at most that wait or are made.
        prepare: called in that thread before anything else.
    """
    pool, waiting = ThreadPoolExecutor(1), deque[Future[list[Item]]]()
    prepared = pool.submit(prepare or (lambda: None))

    def take() -> list[Item]:
        return list(islice(items, 1))

    def coming() -> Iterator[Item]:
        prepared.result()
        while item := waiting.popleft().result():
            waiting.append(pool.submit(take))
            yield item[0]

    try:
        waiting.extend(pool.submit(take) for _ in range(ahead))
        yield coming()
    finally:
        for future in waiting:
            future.cancel()
        pool.submit(getattr(items, "close", lambda: None))
        pool.shutdown()
