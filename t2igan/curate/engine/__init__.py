"""Running one function over many shards: in this process, in several, or on a Ray cluster. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from t2igan.registry import Registry

EngineName = Literal["processes", "ray"]


@dataclass(frozen=True)
class Failure:
    """A task that could not be done, and why."""

    task: Any
    reason: str


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        engine: `processes` of this machine, or `ray`.
        count: how many; None = one a GPU, else one a core. Results do not depend on it.
        address: of the Ray cluster; None or `local` starts one on this machine.
        attempts: how often a shard is tried whose worker dies.
    """

    engine: EngineName = "processes"
    count: int | None = None
    address: str | None = None
    attempts: int = 3


class Make(Protocol):
    """Builds what does the work, once in every worker; it must be importable by name and its arguments picklable."""

    def __call__(self, worker: int) -> Callable[[Any], Any]:
        """The function for worker number `worker`."""
        ...


ENGINES = Registry(
    "engine", {"processes": "t2igan.curate.engine.local:run", "ray": "t2igan.curate.engine.on_ray:run"}
)


def run_tasks(make: Make, tasks: Sequence[Any], workers: Workers) -> Iterator[tuple[Any, Any]]:
    """Do every task once, in any order.

    Args:
        make: called in each worker with its number; what it returns is called with each task.
        tasks: independent of each other, and doing one again is harmless.
        workers: who does them.

    Yields:
        (task, result) as they finish. A task that raises, or whose worker dies again and again, gives a Failure; the
        others go on.
    """
    yield from ENGINES[workers.engine](make, tasks, workers)
