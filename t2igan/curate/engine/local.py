"""Processes of this machine: each shard is a task; a task whose worker is killed is given to another."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing as mp
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from t2igan.curate.engine import Failure, Make, Workers
from t2igan.curate.engine.guard import Guarded

log = logging.getLogger(__name__)

DRIVERS = ("/dev/nvidiactl", "/dev/kfd")  # of CUDA and ROCm; without them there is no need to import torch
_do: Guarded | None = None  # what this worker process was made to do


def run(make: Make, tasks: Sequence[Any], workers: Workers) -> Iterator[tuple[Any, Any]]:
    """Do every task in as many processes as asked for; one worker is this process itself."""
    count = min(workers.count or default_count(), len(tasks))
    if count <= 1:
        yield from map(Guarded(make, 0), tasks)
        return
    queue, suspects = deque(tasks), deque[Any]()
    while queue or suspects:
        if suspects:
            yield from _alone(make, suspects.popleft(), workers.attempts)
        else:
            suspects.extend((yield from _until_a_worker_dies(make, queue, count)))


def default_count() -> int:
    """One a GPU, else one a core that this process may use."""
    cores = len(os.sched_getaffinity(0))
    if not any(map(os.path.exists, DRIVERS)):
        return cores
    import torch

    return torch.cuda.device_count() or cores


def _alone(make: Make, task: Any, attempts: int) -> Iterator[tuple[Any, Any]]:
    """Do a task that was in work when a worker died, with no other beside it that could be to blame."""
    for attempt in range(1, attempts + 1):
        log.warning(
            "%s: a worker was killed (out of memory?) when this was in work; attempt %d.", task, attempt
        )
        if not (yield from _until_a_worker_dies(make, deque([task]), 1)):
            return
    yield task, Failure(task, f"its worker was killed {attempts} times; is there enough memory?")


def _until_a_worker_dies(
    make: Make, queue: deque[Any], count: int
) -> Generator[tuple[Any, Any], None, list[Any]]:
    """Empty the queue; if a worker dies, stop and return what was in work."""
    context = mp.get_context("spawn")
    running: dict[Future[Any], Any] = {}
    with (
        ProcessPoolExecutor(
            count, context, initializer=_begin, initargs=(make, context.Value("i", 0))
        ) as pool,
        _killed_if_stopped(),
    ):
        while queue or running:
            _submit(pool, queue, running, count)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            if not running or any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                break
            for future in done:
                running.pop(future)
                yield future.result()
    whole = [future for future in running if future.done() and future.exception() is None]
    yield from (future.result() for future in whole)
    return [task for future, task in running.items() if future not in whole]


def _submit(
    pool: ProcessPoolExecutor, queue: deque[Any], running: dict[Future[Any], Any], count: int
) -> None:
    """Give every idle worker a task."""
    while queue and len(running) < count:
        try:
            with _without_sigint():
                running[pool.submit(_work, queue[0])] = queue[0]
        except BrokenProcessPool:
            return  # what runs says so itself
        queue.popleft()


@contextlib.contextmanager
def _killed_if_stopped() -> Iterator[None]:
    """If the block is left by an error, Ctrl-C or an end of interest, its workers go at once: a shard may take hours."""
    others = set(mp.active_children())
    try:
        yield
    except BaseException:
        for process in set(mp.active_children()) - others:
            process.kill()
        raise


@contextlib.contextmanager
def _without_sigint() -> Iterator[None]:
    """Processes that begin in the block never see Ctrl-C, which a terminal sends to all; this one does after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(make: Make, numbers: Any) -> None:
    """What a worker process does first."""
    global _do
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends them
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
