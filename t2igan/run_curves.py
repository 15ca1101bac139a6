"""What of a run can be drawn or compared: named curves against thousands of images, and the best metrics. Draws nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from t2igan.lineplot import Points
from t2igan.runs import Row, Run

X_LABEL = "thousand images"
MACHINE = SPEED, MEMORY, BAD_STEPS = "images per second", "memory, GB", "non-finite steps"  # never negative
PSI = ", psi "  # between a metric's name and a psi other than 1
NO_METRIC = {"kimg", "step", "resolution", "psi", "nimg", "stage", "seed", "seconds", "num_images"}
SMALLER_IS_BETTER = re.compile(r"(?:fd|fid|frechet|kd|kid|cmmd)(?![a-z])")


@dataclass(frozen=True)
class Best:
    """The best value of a metric, where it was reached, and the last value."""

    value: float
    kimg: float
    last: float


def score_names(run: Run) -> list[str]:
    """Loss scores of a run, such as D/real, in the order of their first appearance."""
    return list(dict.fromkeys(name for tick in run.ticks for name in tick if "/" in name))


def tick_curve(run: Run, name: str) -> Points:
    """One number of the progress lines."""
    return [(tick["kimg"], tick[name]) for tick in run.ticks if name in tick]


def machine_curves(run: Run) -> dict[str, Points]:
    """Speed, memory, and the count of skipped steps."""
    seconds = tick_curve(run, "sec_per_kimg")
    return {
        SPEED: [(kimg, 1000 / value) for kimg, value in seconds if value > 0],
        MEMORY: tick_curve(run, "memory_gb"),
        BAD_STEPS: tick_curve(run, "bad_steps"),
    }


def metric_curves(run: Run) -> dict[str, Points]:
    """Metrics by name; a psi other than 1 is part of the name."""
    return _metric_points(run.metrics)


def best_metrics(run: Run) -> dict[str, Best]:
    """The best of each metric at the present resolution, as numbers of other resolutions do not compare."""
    size = run.metrics[-1].get("resolution") if run.metrics else None
    curves = _metric_points([row for row in run.metrics if row.get("resolution") == size])
    finite = {name: [p for p in points if math.isfinite(p[1])] for name, points in curves.items()}
    return {name: _best(name, points) for name, points in finite.items() if points}


def is_smaller_better(metric: str) -> bool:
    """Whether a metric is a distance, by its name: fid, kid, cmmd, fd_..., frechet. All others are scores."""
    return bool(SMALLER_IS_BETTER.match(metric.lower()))


def stage_marks(run: Run) -> list[tuple[float, str]]:
    """Where each stage but the first begins, with its resolution; stages that have not begun are left out."""
    return [(s.start_kimg, f"{s.resolution} px") for s in run.stages[1:] if s.start_kimg < run.kimg]


def _metric_points(rows: Sequence[Row]) -> dict[str, Points]:
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        psi = row.get("psi", 1.0)
        suffix = "" if psi == 1.0 else f"{PSI}{psi:g}"
        for name in row.keys() - NO_METRIC:
            points.setdefault(name + suffix, []).append((row["kimg"], row[name]))
    return dict(sorted(points.items()))


def _best(name: str, points: Points) -> Best:
    choose = min if is_smaller_better(name) else max
    kimg, value = choose(points, key=lambda point: point[1])
    return Best(value, kimg, points[-1][1])
