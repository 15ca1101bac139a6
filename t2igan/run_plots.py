"""The curves of one run as files: curves.html, and curves.png for where no browser is. Several runs: run_compare.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from t2igan.errors import UsageError
from t2igan.files import write_atomic
from t2igan.lineplot import Points
from t2igan.rasterplot import Panel, draw_panels
from t2igan.report import Report
from t2igan.run_curves import (
    PSI,
    X_LABEL,
    best_metrics,
    machine_curves,
    metric_curves,
    score_names,
    stage_marks,
    tick_curve,
)
from t2igan.runs import Run

MAX_RATIO = 5  # scores of one network share a panel while the largest is at most so many times the smallest


def plot_run(run: Run, out: Path | None = None) -> list[Path]:
    """Draw every curve of a run.

    Args:
        run: what to draw.
        out: an .html or .png file; None = curves.html and curves.png in the run's folder.

    Returns:
        The files that were written.

    Raises:
        UsageError: if `out` has another ending, or the run has written no numbers yet.
        T2IGanError: if a file cannot be written.
    """
    paths = [run.path / "curves.html", run.path / "curves.png"] if out is None else [out]
    for path in paths:
        if path.suffix not in (".html", ".png"):
            raise UsageError(f"--out {path}: give a name that ends in .html or .png.")
    panels = run_panels(run)
    if not panels:
        raise UsageError(f"{run.path}: has no numbers to draw yet. Wait for the first progress line.")
    for path in paths:
        if path.suffix == ".html":
            _report(run, panels).save(path)
        else:
            write_atomic(path, draw_panels(panels, title=_title(run)))
    return paths


def run_panels(run: Run) -> list[Panel]:
    """Metrics first, then scores by network, then speed, memory and skipped steps; what has no points is left out."""
    scores = {name: tick_curve(run, name) for name in score_names(run)}
    marks = stage_marks(run)
    return [
        *(Panel(title, group, X_LABEL, title, marks) for title, group in _group_metrics(metric_curves(run))),
        *(Panel(title, group, X_LABEL, "mean of a tick", marks) for title, group in group_scores(scores)),
        *(
            Panel(name, {name: points}, X_LABEL, name, marks, from_zero=True)
            for name, points in machine_curves(run).items()
            if points
        ),
    ]


def group_scores(scores: Mapping[str, Points]) -> list[tuple[str, dict[str, Points]]]:
    """Titles, and the scores of one network that are of about the same size, so that one panel can show them."""
    groups: list[list[str]] = []
    for name in sorted(scores, key=lambda name: (_network(name), _peak(scores[name]))):
        first = groups[-1][0] if groups else ""
        is_same = bool(groups) and _network(first) == _network(name)
        if is_same and _peak(scores[name]) <= MAX_RATIO * _peak(scores[first]):
            groups[-1].append(name)
        else:
            groups.append([name])
    titles = [names[0] if len(names) == 1 else f"scores of {_network(names[0])}" for names in groups]
    return [(t, {name: scores[name] for name in names}) for t, names in zip(titles, groups, strict=True)]


def _group_metrics(metrics: Mapping[str, Points]) -> list[tuple[str, dict[str, Points]]]:
    """One panel a metric, for all psi."""
    titles = dict.fromkeys(name.partition(PSI)[0] for name in metrics)
    return [(t, {n: points for n, points in metrics.items() if n.partition(PSI)[0] == t}) for t in titles]


def _network(name: str) -> str:
    return name.partition("/")[0]


def _peak(points: Points) -> float:
    return max((abs(y) for _, y in points if math.isfinite(y)), default=0.0)


def _title(run: Run) -> str:
    return f"{run.name}: {run.kimg:.1f} of {run.total_kimg:.1f} thousand images"


def _report(run: Run, panels: list[Panel]) -> Report:
    report = Report(_title(run))
    report.text(f"Recipe **{run.recipe.get('name')}**, folder `{run.path}`.")
    best = best_metrics(run)
    if best:
        rows = [[name, found.value, found.kimg, found.last] for name, found in best.items()]
        report.table(rows, ["metric", "best", "at thousand images", "last"])
    for panel in panels:
        report.curve(
            panel.title,
            panel.series,
            x_label=panel.x_label,
            y_label=panel.y_label,
            marks=panel.marks,
            from_zero=panel.from_zero,
        )
    return report
