"""`t2igan demo`: arguments in, one library call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option("--out", help="Folder of the demo.")] = Path("runs/demo"),
    fast: Annotated[
        bool, typer.Option("--fast", help="The same road in under two minutes; the result is undertrained.")
    ] = False,
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Also train the small CLIP instead of taking the embedded one."),
    ] = False,
) -> None:
    """Everything once, offline: draw data, train a GAN, sample it, judge it, write report.html.

    Example: t2igan demo --out runs/demo
    """
    from t2igan.demo import run_demo, summary_lines

    numbers = run_demo(
        out, fast=fast, from_scratch=from_scratch, say=lambda line: print(line, file=sys.stderr)
    )
    for line in summary_lines(numbers):
        print(line)
