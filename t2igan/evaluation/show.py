"""Results as rows of tables: what was measured, and what others published of the same. Prints nothing."""

from __future__ import annotations

from typing import Any

from t2igan.evaluation.coco.published import OTHER, Measure, beside

HEADER = ("metric", "value", "spread", "network", "n")
TITLES: dict[Measure, str] = {"fid": "FID", "clip_score": "CLIP score"}


def table_rows(result: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Rows under HEADER of what `evaluate` gave; a CLIP score is followed by itself times 100, and by what chance gives."""
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
        if "times_100" in found:
            rows.append((f"{name} times 100", _number(found["times_100"]), "", *last))
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


def published_table(result: dict[str, Any], measure: Measure) -> tuple[list[str], list[list[str]]]:
    """Header and rows of own and published numbers; those of other protocols stand in a column of their own.

    Raises:
        UsageError: if the result was not made by the protocol that it names.
    """
    title = TITLES[measure]
    header = ["model", "kind", "parameters", f"{title}, {result['protocol']}", OTHER, "protocol", "source"]
    own = next(found["value"] for name, found in result["metrics"].items() if name.startswith(measure))
    rows = [[result["pictures"]["name"], "", "", f"{own:.4g}", "", result["protocol"], "this run"]]
    for line in beside(result, measure):
        row, numbers = line.row, ["" if value is None else f"{value:g}" for value in (line.same, line.other)]
        source = f"{row.source}; {row.note}" if row.note else row.source
        rows.append([row.model, row.kind, row.parameters, *numbers, row.measured_by, source])
    return header, rows


def _number(value: float) -> str:
    return f"{value:.6g}"


def _spread(found: dict[str, Any]) -> str:
    if "low" in found:
        return f"{_number(found['low'])} .. {_number(found['high'])}"
    return f"std {_number(found['std'])}" if "std" in found else ""
