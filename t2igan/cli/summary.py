"""How a command that makes something says what it made: a table, or JSON. Not progress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def show_summary(summary: Mapping[str, Any], *, as_json: bool) -> None:
    """The summary to stdout; a table leaves out what is empty."""
    if as_json:
        print(json.dumps(summary))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False)
    for name, value in summary.items():
        if value not in ({}, None):
            table.add_row(name.replace("_", " "), _text(value))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {count}" for name, count in value.items())
    return str(value)
