"""`t2igan plot`: arguments in, one library call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, .html or .png; default: curves.html and curves.png in the run's folder."
        ),
    ] = None,
) -> None:
    """Draw the curves of a run: scores, metrics, speed, memory, skipped steps. Needs no network and no browser for PNG.

    Example: t2igan plot runs/shapes
    """
    from t2igan.run_plots import plot_run
    from t2igan.runs import read_run

    for path in plot_run(read_run(run), out):
        typer.echo(str(path))
