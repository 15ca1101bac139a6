"""How the `eval` commands print what they measured. Computes nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 140  # letters a line where no terminal says how many fit


def new_console() -> Console:
    """To stdout."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def print_table(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """One table."""
    from rich import box
    from rich.table import Table

    table = Table(*header, box=box.SIMPLE)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_measured(console: Console, found: dict[str, Any]) -> None:
    """What was compared, and every number of it."""
    from t2igan.evaluation.show import HEADER, facts, table_rows

    for text in facts(found):
        console.print(text, soft_wrap=True, markup=False)
    print_table(console, HEADER, table_rows(found))


def print_notes(console: Console, kind: str, texts: Sequence[str]) -> None:
    """A line each, after `kind`."""
    for text in texts:
        console.print(f"{kind}: {text}", soft_wrap=True, markup=False)
