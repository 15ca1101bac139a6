"""`t2igan eval tokens`: arguments in, one library call, a table out."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer


def command(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Checkpoint of a model that reads text tokens; default: the embedded GigaGAN.",
        ),
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of prompts a category.")] = 100,
    seed: Annotated[int, typer.Option(help="Chooses scenes and latents.")] = 0,
    psi: Annotated[float, typer.Option(help="Truncation, -2 to 2; 1 = none.")] = 1.0,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, not as a table.")
    ] = False,
) -> None:
    """Replace some of a prompt's tokens by its twin's, and see whom the picture follows; for models of shapes.

    Example: t2igan eval tokens --pairs 40
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.evaluation.prompts.tokens import exchange_tokens

    with progress_bar("pictures") as on_progress:
        found = exchange_tokens(
            model, pairs=pairs, seed=seed, psi=psi, device=device, on_progress=on_progress
        )
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from t2igan.report import percent

    def cell(share: dict[str, Any]) -> str:
        return percent(share["value"], share["low"], share["high"])

    for category, exchanges in found["follows"].items():
        table = Table(
            title=f"{category} ({found['pairs'][category]} pairs)", title_justify="left", box=box.SIMPLE
        )
        for column in ("tokens of the twin", "follows its own prompt", "follows the twin"):
            table.add_column(column)
        for exchange, shares in exchanges.items():
            table.add_row(exchange, cell(shares["own"]), cell(shares["twin"]))
        Console(highlight=False, width=None if sys.stdout.isatty() else 112).print(table)
