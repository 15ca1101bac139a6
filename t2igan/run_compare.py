"""Several runs side by side: curves of one name over each other, recipe keys that differ, best metrics. Judges nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from t2igan.errors import UsageError
from t2igan.lineplot import Points
from t2igan.report import Report
from t2igan.run_curves import (
    MACHINE,
    X_LABEL,
    Best,
    best_metrics,
    machine_curves,
    metric_curves,
    score_names,
    tick_curve,
)
from t2igan.runs import Run

MAX_SHOWN = 60  # characters of a recipe's value in the table
NOTE = (
    "Best values at each run's present resolution. They compare only where resolution, reference images and their "
    "number are the same: see the recipe keys above."
)


def compare_runs(runs: Sequence[Run], out: str | Path) -> dict[str, Any]:
    """Write a page that shows runs side by side.

    Args:
        runs: two or more.
        out: the .html file.

    Returns:
        JSON-ready: runs by label, `differences` as key -> label -> value, `metrics` as name -> label -> best.

    Raises:
        UsageError: for fewer than two runs, or a run that is given twice.
        T2IGanError: if the page cannot be written.
    """
    labels = _labels(runs)
    differences = recipe_differences([run.recipe for run in runs])
    best = {label: best_metrics(run) for label, run in zip(labels, runs, strict=True)}
    metrics = list(dict.fromkeys(name for found in best.values() for name in found))
    report = Report(" and ".join(labels))
    _add_runs(report, labels, runs)
    _add_differences(report, labels, differences)
    if metrics:
        _add_metrics(report, labels, best, metrics)
    _add_curves(report, labels, runs)
    report.save(out)
    return {
        "runs": {label: {"path": str(r.path), "kimg": r.kimg} for label, r in zip(labels, runs, strict=True)},
        "differences": {key: dict(zip(labels, values, strict=True)) for key, values in differences.items()},
        "metrics": {
            name: {label: asdict(best[label][name]) for label in labels if name in best[label]}
            for name in metrics
        },
    }


def recipe_differences(recipes: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Dotted key -> its value in each recipe, for keys that are not the same in all; None where a recipe lacks it."""
    leaves = [dict(_leaves(recipe)) for recipe in recipes]
    keys = dict.fromkeys(key for found in leaves for key in found)
    values = {key: [found.get(key) for found in leaves] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found)}


def _leaves(value: Any, place: str = "") -> list[tuple[str, Any]]:
    """Plain values and lists of plain values, by dotted key."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return [(place, value)]
    return [leaf for key, item in value.items() for leaf in _leaves(item, f"{place}.{key}".lstrip("."))]


def _labels(runs: Sequence[Run]) -> list[str]:
    """Folder names, or paths where names repeat."""
    if len(runs) < 2:
        raise UsageError("a comparison needs two runs or more: `t2igan compare runs/a runs/b`.")
    places = [run.path.resolve() for run in runs]
    twice = [str(run.path) for i, run in enumerate(runs) if places[i] in places[:i]]
    if twice:
        raise UsageError(f"{twice[0]}: is given twice. Name different runs.")
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(place) for place in places]


def _add_runs(report: Report, labels: Sequence[str], runs: Sequence[Run]) -> None:
    rows = [
        [label, run.recipe.get("name"), run.kimg, run.total_kimg, len(run.stages), str(run.path)]
        for label, run in zip(labels, runs, strict=True)
    ]
    report.section("Runs")
    report.table(rows, ["run", "recipe", "thousand images", "of", "stages", "folder"])


def _add_differences(report: Report, labels: Sequence[str], differences: dict[str, list[Any]]) -> None:
    report.section("Recipe keys that differ")
    if not differences:
        report.text("None: these runs have the same recipe.")
        return
    report.table([[key, *map(shown, values)] for key, values in differences.items()], ["key", *labels])


def shown(value: Any) -> str:
    """A recipe's value as the recipe writes it, cut if it is long; a dash where there is none."""
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _add_metrics(
    report: Report, labels: Sequence[str], best: dict[str, dict[str, Best]], metrics: Sequence[str]
) -> None:
    def cell(found: Best | None) -> str | None:
        return None if found is None else f"{found.value:.4g} at {found.kimg:.1f} kimg"

    report.section("Best metrics")
    report.text(NOTE)
    report.table(
        [[name, *(cell(best[label].get(name)) for label in labels)] for name in metrics], ["metric", *labels]
    )


def _add_curves(report: Report, labels: Sequence[str], runs: Sequence[Run]) -> None:
    all_curves = [_curves(run) for run in runs]
    report.section("Curves")
    for name in dict.fromkeys(name for curves in all_curves for name in curves):
        series = {label: curves.get(name, ()) for label, curves in zip(labels, all_curves, strict=True)}
        report.curve(name, series, x_label=X_LABEL, y_label=name, from_zero=name in MACHINE)


def _curves(run: Run) -> dict[str, Points]:
    scores = {name: tick_curve(run, name) for name in score_names(run)}
    return {**metric_curves(run), **scores, **machine_curves(run)}
