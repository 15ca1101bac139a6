"""`t2igan compare`: arguments in, one library call, text out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of two runs or more.")],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("compare.html"),
    as_json: Annotated[bool, typer.Option("--json", help="Print differences and metrics as JSON.")] = False,
) -> None:
    """Lay runs side by side: curves over each other, recipe keys that differ, best metrics.

    Example: t2igan compare runs/shapes runs/shapes_twins --out compare.html
    """
    from t2igan.run_compare import compare_runs
    from t2igan.runs import read_run

    found = compare_runs([read_run(run) for run in runs], out)
    if as_json:
        print(json.dumps(found))
        return
    for line in _lines(found):
        print(line)
    print(out)


def _lines(found: dict[str, Any]) -> list[str]:
    """What differs in the recipes, and the best metrics."""
    from t2igan.run_compare import shown

    rows = [(key, {k: shown(v) for k, v in values.items()}) for key, values in found["differences"].items()]
    rows += [
        (name, {label: f"{best['value']:.4g} at {best['kimg']:.1f} kimg" for label, best in values.items()})
        for name, values in found["metrics"].items()
    ]
    return [f"{name}: " + ", ".join(f"{label} {text}" for label, text in row.items()) for name, row in rows]
