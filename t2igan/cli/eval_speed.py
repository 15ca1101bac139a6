"""`t2igan eval speed`: arguments in, one library call, tables out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer


def command(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Checkpoint; default: the embedded model.")
    ] = None,
    batch: Annotated[str, typer.Option(help="Images at once, as in 1,8,32.")] = "1,8,32",
    precision: Annotated[str, typer.Option(help="fp32, bf16, fp16; several with commas.")] = "fp32",
    repeats: Annotated[int, typer.Option(min=1, help="Timed draws of each; fewer where 20 s are over.")] = 50,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, not as tables.")] = False,
) -> None:
    """Measure latency and throughput from prompt to pixels after a warm-up, beside what papers say of other machines.

    Example: t2igan eval speed --batch 1,8,32 --precision fp32,bf16
    """
    from t2igan.bench.speed import bench_speed
    from t2igan.errors import UsageError
    from t2igan.evaluation.speed import OWN_HEADER, PAPER_HEADER, own_rows, paper_rows

    sizes = [piece.strip() for piece in batch.split(",")]
    if not all(piece.isdecimal() for piece in sizes):
        raise UsageError(f"--batch {batch!r}: give whole numbers, as in 1,8,32.")
    precisions = [piece.strip() for piece in precision.split(",")]
    found = bench_speed(
        model, batches=list(map(int, sizes)), precisions=precisions, repeats=repeats, device=device
    )
    if as_json:
        papers = [dict(zip(PAPER_HEADER, row, strict=True)) for row in paper_rows()]
        print(json.dumps(found | {"papers": papers}))
        return
    threads = "" if found["device"] == found["processor"] else f", {found['threads']} threads"
    title = f"{found['model']}, {found['resolution']} px, {found['parameters'] / 1e6:.1f} M, on {found['processor']}{threads}"
    _table(title, OWN_HEADER, own_rows(found))
    _table("Papers, on another machine: not a comparison of code", PAPER_HEADER, paper_rows())


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, title=title, title_justify="left", box=box.SIMPLE)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=None if sys.stdout.isatty() else 140).print(table)
