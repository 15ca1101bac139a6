"""A selection and statistics as tables on a terminal. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from t2igan.curate.looks.statistics import QUANTILE_NAMES, Facts, counted_rows, quantile_texts
from t2igan.curate.looks.words import MARGIN_HEADER, WATERFALL_HEADER, margin_rows, waterfall_rows
from t2igan.curate.selection import Selection

NOT_SHOWN = (
    "least",
    "25 %",
    "75 %",
    "most",
)  # so that a row fits into 80 columns; the page and JSON have them


def show_selection(selection: Selection) -> None:
    """What each rule drops, and what moving a threshold would keep."""
    show_table(WATERFALL_HEADER, waterfall_rows(selection))
    if selection.margins:
        show_table(MARGIN_HEADER, margin_rows(selection))
    if selection.cut is not None:
        cut = selection.cut
        lowest = "" if cut.score is None else f", those from {cut.score:.4f} on"
        print(f"clip_top: {cut.count:,} of {cut.pool:,} samples{lowest}")


def show_facts(facts: Facts, repeats: Mapping[str, int]) -> None:
    """How measures are spread, how often values come, and what repeats."""
    if len(facts):
        header = ["measure", "unknown", *QUANTILE_NAMES, "kept median"]
        shown = [number for number, name in enumerate(header) if name not in NOT_SHOWN]
        rows = [[row[number] for number in shown] for row in quantile_texts(facts)]
        show_table([header[number] for number in shown], rows)
    for column in facts.counted:
        show_table([column, "samples", "share", "kept"], counted_rows(facts, column))
    if repeats:
        show_table(
            ["repeats an earlier sample", "samples"], [[what, f"{n:,}"] for what, n in repeats.items()]
        )


def show_table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, has_lines: bool = False) -> None:
    """Print a table, its numbers to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = [[_text(cell) for cell in row] for row in rows]
    table = Table(box=box.SIMPLE, show_lines=has_lines)
    for number, name in enumerate(header):
        is_number = all(row[number][:1] in "-+0123456789" for row in texts)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=is_number)
    for row in texts:
        table.add_row(*map(Text, row))  # brackets are no markup
    Console().print(table)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return (
        f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
