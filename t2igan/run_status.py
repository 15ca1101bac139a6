"""How a run stands, as numbers: progress, speed, scores, newest files, and whether it is alive. Prints nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from t2igan.run_curves import best_metrics, score_names
from t2igan.runs import Run

RECENT_TICKS = (
    20  # the slowest of them says how long to wait for a sign of life: some ticks draw, measure or save
)
PATIENCE = 3.0  # times that
SHORTEST_WAIT_S = 30.0  # saving a large state may take longer than the ticks of a tiny run
ROUNDING_KIMG = 0.001  # of kimg in the progress lines


def run_status(run: Run, now: float) -> dict[str, Any]:
    """Everything about a run that a person or a program asks for.

    Args:
        run: the run.
        now: seconds since 1970.

    Returns:
        JSON-ready; None where the run does not say, and for numbers that are not finite. `status` is `running`,
        `stopped`, `finished` or `no tick yet`; `eta_s` is for all stages that remain, at the present speed.
    """
    tick = run.ticks[-1] if run.ticks else {}
    stage = _stage(run)
    seconds = tick.get("sec_per_kimg")
    age = None if run.last_tick_time is None else max(0.0, now - run.last_tick_time)
    found = {
        "path": str(run.path),
        "recipe": run.recipe.get("name"),
        "task": run.recipe.get("task"),
        "status": life(run, age),
        "last_tick_age_s": age,
        "kimg": run.kimg,
        "total_kimg": run.total_kimg,
        "stage": stage + 1,
        "num_stages": len(run.stages),
        "resolution": _whole(tick.get("resolution")),
        "step": _whole(tick.get("step")),
        "images_per_s": 1000 / seconds if seconds else None,
        "eta_s": None if seconds is None else max(0.0, run.total_kimg - run.kimg) * seconds,
        "memory_gb": tick.get("memory_gb"),
        "bad_steps": _whole(tick.get("bad_steps")),
        "scores": {name: tick[name] for name in score_names(run) if name in tick},
        "metrics": {name: asdict(best) for name, best in best_metrics(run).items()},
        "state": _newest(run.states, now),
        "snapshot": _newest(run.snapshots, now),
        "unreadable_lines": run.num_broken,
    }
    return _without_nan(found)


def life(run: Run, age_s: float | None) -> str:
    """Whether a run is at its end, or has given a sign of life within three of its own ticks.

    Args:
        run: the run.
        age_s: seconds since its last tick; None = there is none.
    """
    if run.kimg >= run.total_kimg - ROUNDING_KIMG:
        return "finished"
    if age_s is None:
        return "no tick yet"
    recent = [{"kimg": 0.0}, *run.ticks][-RECENT_TICKS - 1 :]
    paces = [(b["kimg"] - a["kimg"]) * b.get("sec_per_kimg", 0.0) for a, b in pairwise(recent)]
    return "running" if age_s <= max(PATIENCE * max(paces), SHORTEST_WAIT_S) else "stopped"


def _stage(run: Run) -> int:
    """Number of the present stage, from 0."""
    return next((i for i, s in enumerate(run.stages) if run.kimg < s.stop_kimg), len(run.stages) - 1)


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and math.isfinite(value) else None


def _newest(paths: Sequence[Path], now: float) -> dict[str, Any] | None:
    if not paths:
        return None
    age = now - paths[-1].stat().st_mtime
    return {"path": str(paths[-1]), "kimg": float(paths[-1].stem), "age_s": max(0.0, age)}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
