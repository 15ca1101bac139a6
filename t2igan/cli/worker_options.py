"""Options of commands that work through shards: how many workers, and where. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from t2igan.curate.engine import Workers
from t2igan.errors import UsageError

Count = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; default: one a GPU, else one a core.")
]
Engine = Annotated[
    Literal["processes", "ray"], typer.Option("--engine", help="Of this machine, or a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Of the Ray cluster, as in auto or HOST:6379; default: this machine."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def workers_from(count: int | None, engine: Literal["processes", "ray"], address: str | None) -> Workers:
    """The workers that the options ask for.

    Raises:
        UsageError: if there is an address, but no engine that goes there.
    """
    if address is not None and engine != "ray":
        raise UsageError(
            f"--address {address}: has no effect without --engine ray. Give it, or leave --address out."
        )
    return Workers(engine=engine, count=count, address=address)
