"""A Ray cluster: one actor a GPU (or core), shards as tasks, lost workers are replaced and their shard is tried again."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from t2igan.curate.engine import Failure, Make, Workers
from t2igan.curate.engine.guard import Guarded
from t2igan.errors import T2IGanError

log = logging.getLogger(__name__)

LOCAL_STORE = 200_000_000  # bytes of shared memory; only names and counts travel


def run(make: Make, tasks: Sequence[Any], workers: Workers) -> Iterator[tuple[Any, Any]]:
    """Do every task on actors of the cluster."""
    # What Ray has to say of lost workers goes to stderr: stdout is for results.
    with contextlib.redirect_stdout(sys.stderr):
        yield from _run(make, tasks, workers)


def _run(make: Make, tasks: Sequence[Any], workers: Workers) -> Iterator[tuple[Any, Any]]:
    ray = _connect(workers)
    try:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        count = workers.count or gpus or int(ray.cluster_resources()["CPU"])
        actor = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0)(Guarded)
        yield from _spread(ray, actor, make, tasks, min(count, len(tasks)), workers.attempts)
    finally:
        ray.shutdown()


def _connect(workers: Workers) -> Any:
    """Ray, connected.

    Raises:
        T2IGanError: if Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        import ray
    except ImportError as error:
        raise T2IGanError('--engine ray: Ray is not installed. Run `pip install "t2igan[ray]"`.') from error
    address = workers.address or "local"
    own = {"num_cpus": workers.count or len(os.sched_getaffinity(0)), "include_dashboard": False,
           "object_store_memory": LOCAL_STORE, "_node_ip_address": "127.0.0.1"}  # fmt: skip
    try:
        ray.init(
            address=address,
            logging_level=logging.WARNING,
            log_to_driver=False,
            **(own if address == "local" else {}),
        )
    except Exception as error:  # Ray raises bare ones as well
        why = (str(error).splitlines() or [type(error).__name__])[0]
        advice = (
            "Use --engine processes."
            if address == "local"
            else "Start one with `ray start --head`, or leave --address out."
        )
        raise T2IGanError(f"--engine ray, {address}: no Ray cluster ({why}). {advice}") from error
    return ray


def _spread(
    ray: Any, actor: Any, make: Make, tasks: Sequence[Any], count: int, attempts: int
) -> Iterator[tuple[Any, Any]]:
    """Keep `count` actors busy; replace those that die."""
    queue = deque((task, 1) for task in tasks)
    busy: dict[Any, tuple[int, Any, Any, int]] = {}  # reference -> (worker number, actor, task, attempt)
    idle = [(number, actor.remote(make, number)) for number in range(count)]
    while queue or busy:
        while queue and idle:
            (number, worker), (task, attempt) = idle.pop(), queue.popleft()
            busy[worker.__call__.remote(task)] = (number, worker, task, attempt)
        done, _ = ray.wait(list(busy), num_returns=1)
        number, worker, task, attempt = busy.pop(done[0])
        try:
            yield ray.get(done[0])
        except ray.exceptions.RayActorError:
            worker = actor.remote(make, number)
            if attempt >= attempts:
                yield task, Failure(task, f"its worker was lost {attempts} times; is there enough memory?")
            else:
                log.warning("%s: its worker was lost; attempt %d of %d.", task, attempt + 1, attempts)
                queue.append((task, attempt + 1))
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, T2IGanError) else error from None
        idle.append((number, worker))
