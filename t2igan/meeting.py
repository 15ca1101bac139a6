"""How processes that share a key-value store find out who of them belongs together now. Exchanges nothing else."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

LOOK_S = 0.01


class Store(Protocol):
    """What is needed of torch's TCPStore."""

    def set(self, key: str, value: str) -> None:
        """Write a value."""
        ...

    def get(self, key: str) -> bytes:
        """Read a value."""
        ...

    def check(self, keys: list[str]) -> bool:
        """Whether all keys have a value."""
        ...

    def wait(self, keys: list[str], timeout: timedelta) -> None:
        """Return once all keys have a value."""
        ...


def agree_on_name(store: Store, rank: int, world: int, *, patience_s: float) -> str:
    """A name that all processes of this start share, and that no earlier start on the same store had.

    torchrun keeps its store when it starts a group again after a failure. Addresses that dead processes left there would
    be taken for those of the new ones, and the count of restarts differs from machine to machine. So everybody asks
    rank 0 with a word that was never used before.

    Args:
        store: reached by all processes.
        rank: of this process.
        world: number of processes.
        patience_s: how long to wait for the others.

    Raises:
        TimeoutError: on rank 0, if a process is missing; on the others, what the store raises.
    """
    if rank == 0:
        return _lead(store, world, deadline=time.monotonic() + patience_s)
    word = uuid4().hex
    store.set(f"ask/{rank}", word)
    store.wait([f"answer/{word}"], timedelta(seconds=patience_s))
    name = store.get(f"answer/{word}").decode()
    store.set(f"here/{name}/{rank}", "")
    return name


def _lead(store: Store, world: int, *, deadline: float) -> str:
    """Answer questions, old ones too, until everybody has heard the name."""
    name, missing = uuid4().hex, list(range(1, world))
    while True:
        missing = [rank for rank in missing if not store.check([f"here/{name}/{rank}"])]
        if not missing:
            return name
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {missing[0]} is missing")
        for rank in missing:
            if store.check([f"ask/{rank}"]):
                store.set(f"answer/{store.get(f'ask/{rank}').decode()}", name)
        time.sleep(LOOK_S)
