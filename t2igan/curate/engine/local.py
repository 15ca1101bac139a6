"""Processes of this machine: each shard is a task; a task whose worker is killed is given to another."""

from __future__ import annotations

import logging
import multiprocessing as mp
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from t2igan.curate.engine import Failure, Make, Workers
from t2igan.curate.engine.guard import Guarded

log = logging.getLogger(__name__)

_do: Guarded | None = None  # what this worker process was made to do


def run(make: Make, tasks: Sequence[Any], workers: Workers) -> Iterator[tuple[Any, Any]]:
    """Do every task in as many processes as asked for; one worker is this process itself."""
    count = min(workers.count or default_count(), len(tasks))
    if count <= 1:
        yield from map(Guarded(make, 0), tasks)
        return
    queue = deque((task, 1) for task in tasks)  # with the number of the attempt
    while queue:
        yield from _until_a_worker_dies(make, queue, count, workers.attempts)


def default_count() -> int:
    """One a GPU, else one a core that this process may use."""
    import torch

    return torch.cuda.device_count() or len(os.sched_getaffinity(0))


def _until_a_worker_dies(
    make: Make, queue: deque[tuple[Any, int]], count: int, attempts: int
) -> Iterator[tuple[Any, Any]]:
    """Empty the queue; if a worker dies, put back what was being done and return."""
    context = mp.get_context("spawn")
    running: dict[Future[Any], tuple[Any, int]] = {}
    numbers = context.Value("i", 0)
    with ProcessPoolExecutor(count, context, initializer=_begin, initargs=(make, numbers)) as pool:
        while queue or running:
            try:
                while queue and len(running) < count:
                    running[pool.submit(_work, queue[0][0])] = queue[0]
                    queue.popleft()
            except BrokenProcessPool:
                if not running:
                    return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                yield from _put_back(running, queue, attempts)
                return
            for future in done:
                running.pop(future)
                yield future.result()


def _put_back(
    running: dict[Future[Any], tuple[Any, int]], queue: deque[tuple[Any, int]], attempts: int
) -> Iterator[tuple[Any, Any]]:
    """Give the tasks of a broken pool another try, those that had too many a Failure."""
    for future, (task, attempt) in running.items():
        if future.done() and future.exception() is None:
            yield future.result()
        elif attempt < attempts:
            log.warning(
                "%s: a worker was killed (out of memory?); attempt %d of %d.", task, attempt + 1, attempts
            )
            queue.append((task, attempt + 1))
        else:
            yield task, Failure(task, f"its worker was killed {attempts} times; is there enough memory?")


def _begin(make: Make, numbers: Any) -> None:
    """What a worker process does first."""
    global _do
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent stops them
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with numbers.get_lock():
        number = numbers.value
        numbers.value += 1
    _do = Guarded(make, number)


def _end_with_parent() -> None:
    parent = mp.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # the pool's own queue would keep this process waiting for ever


def _work(task: Any) -> tuple[Any, Any]:
    assert _do is not None
    return _do(task)
