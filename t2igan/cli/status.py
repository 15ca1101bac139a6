"""`t2igan status`: arguments in, one library call a run, text out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or folders that hold runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a list with every number as JSON.")] = False,
) -> None:
    """Say how runs stand: progress, speed, scores, newest files, alive or not. Several runs get one line each.

    Example: t2igan status runs/shapes
    """
    from t2igan.runs import is_run, runs_in

    paths = [path for run in runs for path in ([] if is_run(run) else runs_in(run)) or [run]]
    found = list(_read(paths))
    if as_json:
        print(json.dumps(found))
    else:
        print("\n".join(_page(found[0]) if paths == runs[:1] else _table(found)))


def _read(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The status of each run; among several, one that cannot be read is said and left out."""
    import time

    from t2igan.errors import T2IGanError
    from t2igan.run_status import run_status
    from t2igan.runs import read_run

    for path in paths:
        try:
            run = read_run(path)
        except T2IGanError as error:
            if len(paths) == 1:
                raise
            print(f"warning: {error}", file=sys.stderr)
            continue
        yield run_status(run, time.time())


def _page(found: Mapping[str, Any]) -> list[str]:
    """One run as a short page."""
    scores = "  ".join(f"{name} {_number(value)}" for name, value in found["scores"].items())
    rows = [
        ("progress", _progress(found)),
        ("speed", _speed(found)),
        ("memory", "" if found["memory_gb"] is None else f"{found['memory_gb']:.2f} GB at most"),
        ("non-finite", "" if found["bad_steps"] is None else f"{found['bad_steps']} steps skipped"),
        ("scores", scores),
        *((name, _best(best)) for name, best in found["metrics"].items()),
        ("state", _newest(found["state"])),
        ("snapshot", _newest(found["snapshot"])),
        ("note", _note(found["unreadable_lines"])),
    ]
    width = max(len(name) for name, text in rows if text)
    return [_title(found), *(f"  {name:{width}}  {text}" for name, text in rows if text)]


def _table(all_found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Several runs, one line each, under a line of column names."""
    header = ["run", "status", "kimg", "of", "done", "stage", "images/s", "to go", "last tick", "scores"]
    rows = [header, *map(_cells, all_found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def _cells(found: Mapping[str, Any]) -> list[str]:
    speed = found["images_per_s"]
    return [
        found["path"],
        found["status"],
        f"{found['kimg']:.1f}",
        f"{found['total_kimg']:.1f}",
        _share(found),
        f"{found['stage']}/{found['num_stages']}",
        "-" if speed is None else f"{speed:.1f}",
        "-" if found["status"] == "finished" else _duration(found["eta_s"]),
        _duration(found["last_tick_age_s"]),
        "  ".join(f"{name} {_number(value)}" for name, value in found["scores"].items()),
    ]


def _title(found: Mapping[str, Any]) -> str:
    age = found["last_tick_age_s"]
    when = "" if age is None else f", last tick {_duration(age)} ago"
    return f"{found['path']}: recipe {found['recipe']}, {found['status']}{when}"


def _progress(found: Mapping[str, Any]) -> str:
    size = "" if found["resolution"] is None else f", {found['resolution']} px"
    step = "" if found["step"] is None else f", step {found['step']:,}"
    return (
        f"{found['kimg']:.1f} of {found['total_kimg']:.1f} kimg ({_share(found)}), "
        f"stage {found['stage']} of {found['num_stages']}{size}{step}"
    )


def _share(found: Mapping[str, Any]) -> str:
    return f"{min(1.0, found['kimg'] / found['total_kimg']):.0%}"


def _speed(found: Mapping[str, Any]) -> str:
    if found["images_per_s"] is None:
        return ""
    is_last = found["stage"] == found["num_stages"]
    to_go = f", {_duration(found['eta_s'])} to go" + ("" if is_last else " at this stage's speed")
    return f"{found['images_per_s']:.1f} images/s" + ("" if found["status"] == "finished" else to_go)


def _best(best: Mapping[str, Any]) -> str:
    return f"best {_number(best['value'])} at {best['kimg']:.1f} kimg, last {_number(best['last'])}"


def _newest(file: Mapping[str, Any] | None) -> str:
    return "none yet" if file is None else f"{file['path']}, {_duration(file['age_s'])} old"


def _note(num_broken: int) -> str:
    return f"unreadable lines in stats.jsonl or metrics.jsonl, skipped: {num_broken}" if num_broken else ""


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"


def _duration(seconds: float | None) -> str:
    """`42s`, `12m05s`, `3h07m`, `2d04h`; a dash for None."""
    if seconds is None:
        return "-"
    for size, part, units in ((86400, 3600, "dh"), (3600, 60, "hm"), (60, 1, "ms")):
        if seconds >= size:
            return f"{int(seconds // size)}{units[0]}{int(seconds % size // part):02d}{units[1]}"
    return f"{int(seconds)}s"
