"""A run's folder as data: recipe, stages, progress, metrics, files. Reads only; not the training's own view of it.

Tolerant of what a killed process leaves: half-written lines are skipped and counted, and where a run went back to an
earlier state, the later lines win. Torch-free, and blind to the meaning of a recipe's keys, so older runs stay readable.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2igan.decode.yaml_text import parse_yaml
from t2igan.errors import DataError, UsageError

Row = Mapping[str, float]

RECIPE, TICKS, METRICS, LOG = "recipe.yaml", "stats.jsonl", "metrics.jsonl", "log.txt"


@dataclass(frozen=True)
class Stage:
    """A stretch of a run, in thousands of images."""

    resolution: int | None  # None = the recipe does not say, as an encoder's
    start_kimg: float
    stop_kimg: float


@dataclass(frozen=True)
class Run:
    """What a run's folder says."""

    path: Path
    recipe: dict[str, Any]
    stages: tuple[Stage, ...]
    ticks: tuple[Row, ...]  # with growing kimg
    metrics: tuple[Row, ...]  # the same; several of one kimg differ in psi
    states: tuple[Path, ...]  # oldest first
    snapshots: tuple[Path, ...]
    num_broken: int  # whole lines that could not be read
    last_tick_time: float | None  # seconds since 1970; None = there is no tick

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def kimg(self) -> float:
        """Thousands of images so far, by the last tick."""
        return self.ticks[-1]["kimg"] if self.ticks else 0.0

    @property
    def total_kimg(self) -> float:
        """Thousands of images of all stages."""
        return self.stages[-1].stop_kimg


def is_run(path: str | Path) -> bool:
    """Whether a folder is a run's: its recipe, and a trace of training."""
    path = Path(path)
    return (path / RECIPE).is_file() and any((path / name).is_file() for name in (LOG, TICKS))


def runs_in(folder: str | Path) -> list[Path]:
    """Runs directly inside a folder or one folder deeper, by name."""
    found = {recipe.parent for depth in ("*", "*/*") for recipe in Path(folder).glob(f"{depth}/{RECIPE}")}
    return sorted(path for path in found if is_run(path))


def read_run(path: str | Path) -> Run:
    """Read a run's folder.

    Raises:
        UsageError: if the folder is no run's.
        DataError: if its recipe does not say how long the run is.
        RecipeError: if its recipe is no YAML.
    """
    path = Path(path)
    if not is_run(path):
        raise UsageError(_no_run(path))
    recipe = parse_yaml(_text(path / RECIPE), source=str(path / RECIPE)).data
    stages = _stages(recipe, path / RECIPE)
    ticks, broken_ticks = _rows(path / TICKS)
    metrics, broken_metrics = _rows(path / METRICS)
    return Run(
        path=path,
        recipe=recipe,
        stages=stages,
        ticks=_latest(ticks),
        metrics=_latest(metrics),
        states=_numbered(path / "state"),
        snapshots=_numbered(path / "snapshots"),
        num_broken=broken_ticks + broken_metrics,
        last_tick_time=(path / TICKS).stat().st_mtime if ticks else None,
    )


def _no_run(path: Path) -> str:
    if not path.is_dir():
        return f"{path}: no such folder. Give the folder of a run, which `t2igan train --out` names."
    inside = runs_in(path)
    if inside:
        return f"{path}: holds {len(inside)} runs, but is none itself. Name one, such as {inside[0]}."
    return f"{path}: no run, as it lacks {RECIPE} or {LOG}. Give a folder that `t2igan train` has written."


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _stages(recipe: Any, path: Path) -> tuple[Stage, ...]:
    """The stages of a GAN's recipe, or the one stretch of an encoder's."""
    stages: list[Stage] = []
    try:
        for stage in recipe.get("stages") or [{"kimg": recipe["kimg"]}]:
            start = stages[-1].stop_kimg if stages else 0.0
            stages.append(Stage(stage.get("resolution"), start, start + float(stage["kimg"])))
            if not start < stages[-1].stop_kimg < math.inf:
                raise ValueError
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: has neither stages nor kimg, so it is not what a run has written. Put that file back."
        ) from error
    return tuple(stages)


def _rows(path: Path) -> tuple[list[Row], int]:
    """The numbers of each line, and how many whole lines hold none."""
    if not path.is_file():
        return [], 0
    *lines, unfinished = _text(path).split("\n")  # a live run may be writing its last line just now
    rows = [_row(line) for line in [*lines, unfinished]]
    return [row for row in rows if row is not None], rows[:-1].count(None)


def _row(line: str) -> Row | None:
    try:
        values = json.loads(line, parse_int=float)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    row = {name: value for name, value in values.items() if isinstance(value, float)}
    return row if math.isfinite(row.get("kimg", math.nan)) else None


def _latest(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows of growing kimg: what stands before a row and beyond its kimg was written by a course that was given up."""
    kept: list[Row] = []
    taken: set[tuple[float, float | None]] = set()
    for row in reversed(rows):
        place = (row["kimg"], row.get("psi"))
        if place not in taken and (not kept or row["kimg"] <= kept[-1]["kimg"]):
            taken.add(place)
            kept.append(row)
    return tuple(kept[::-1])


def _numbered(folder: Path) -> tuple[Path, ...]:
    """Files that are named by thousands of images, oldest first."""
    found = [path for path in folder.glob("*.safetensors") if re.fullmatch(r"\d+(\.\d+)?", path.stem)]
    return tuple(sorted(found, key=lambda path: float(path.stem)))
