"""What `t2igan train --dry-run` prints. Arguments in, one library call; writes no file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2igan.dry_run.report import Section
    from t2igan.recipe.schema import EncoderRecipe, GanRecipe

WIDTH = 1000  # tables are as wide as their cells: a cut number would be a wrong one


def show_plan(recipe: GanRecipe | EncoderRecipe, out: Path, *, gpus: int | None) -> None:
    """Print the plan of a run to stdout; progress goes to stderr, and ranks but the first are silent."""
    from t2igan.dry_run.plan import make_plan
    from t2igan.dry_run.report import sections
    from t2igan.encode import to_yaml

    if os.environ.get("RANK", "0") != "0":
        return
    plan = make_plan(recipe, out, gpus=gpus, say=lambda line: print(line, file=sys.stderr))
    print(to_yaml(plan.recipe), end="")
    for section in sections(plan):
        print(f"\n{section.title}")
        if section.rows:
            _print_table(section)
        for line in section.lines:
            print(f"  {line}")


def _print_table(section: Section) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, title in enumerate(section.header):
        table.add_column(title, justify="right" if number else "left", no_wrap=True)
    for row in section.rows:
        table.add_row(*row)
    Console(width=WIDTH, highlight=False, markup=False).print(table)
