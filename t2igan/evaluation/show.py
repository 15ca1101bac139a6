"""A result as rows of a table: name, value, how sure, by which network, of how many pictures. Prints nothing."""

from __future__ import annotations

from typing import Any

HEADER = ("metric", "value", "spread", "network", "n")


def table_rows(result: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Rows under HEADER of what `evaluate` gave; a CLIP score is followed by what chance gives."""
    n = str(result["pictures"]["count"])
    if result["reference"] is not None:
        n = f"{n} / {result['reference']['count']}"
    rows: list[tuple[str, str, str, str, str]] = []
    for name, found in result["metrics"].items():
        last = (f"{found['network']}, {found['prepared']}", n)
        if isinstance(found["value"], dict):
            rows += [
                (f"{name} {part}", _number(value), f"k = {found['k'][part]}", *last)
                for part, value in found["value"].items()
            ]
        else:
            rows.append((name, _number(found["value"]), _spread(found), *last))
        if "shuffled" in found:
            rows.append((f"{name}, shuffled captions (chance)", _number(found["shuffled"]), "", *last))
    return rows


def facts(result: dict[str, Any]) -> list[str]:
    """What was compared, one line a set."""
    sets = {"pictures": result["pictures"], "against": result["reference"]}
    return [
        f"{title}: {told['name']}, {told['count']} of them, {told['prepared']} ({told['fingerprint']})"
        for title, told in sets.items()
        if told is not None
    ]


def _number(value: float) -> str:
    return f"{value:.6g}"


def _spread(found: dict[str, Any]) -> str:
    if "low" in found:
        return f"{_number(found['low'])} .. {_number(found['high'])}"
    return f"std {_number(found['std'])}" if "std" in found else ""
