"""Rows of single pictures -> the numbers of each method, with intervals. It reads no picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2igan.evaluation.store import Rows
from t2igan.evaluation.upscale.measures import COLUMNS
from t2igan.evaluation.upscale.probe import PATCHES, REAL
from t2igan.metrics.fid import frechet_distance
from t2igan.metrics.intervals import bootstrap_mean
from t2igan.metrics.psnr import decibels
from t2igan.metrics.stats import FeatureStats

DECIBELS = {"psnr_rgb": "error_rgb", "psnr_y": "error_y", "consistency_psnr": "error_small"}
BASELINE = "bicubic"


def summary(
    rows: Rows,
    methods: Sequence[str],
    *,
    perceptual: str | None,
    distance: str | None,
    patches: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The numbers of every method.

    Args:
        rows: of UpscaleProbe.
        methods: their names; one of them is `bicubic`.
        perceptual: what that distance is called; None = there is none.
        distance: what the Frechet distance of patches is called; None = there is none.
        patches: of each picture.
        seed: of bootstraps.

    Returns:
        Method -> measure -> {"value", "low", "high", "n"} and for decibels "identical" (pictures that are met bit for bit)
        and "pooled" (of the mean squared error of all); an infinite number of decibels is None. `over_bicubic` is the
        interval of the mean of the pictures' own differences.
    """
    tables = {name: rows.all(name).double() for name in methods}
    values = {name: _values(table, perceptual) for name, table in tables.items()}
    found = {
        name: {
            measure: _of_pictures(column, values[BASELINE][measure] if name != BASELINE else None, seed)
            for measure, column in columns.items()
        }
        for name, columns in values.items()
    }
    for name, table in tables.items():
        for measure, column in DECIBELS.items():
            error = table[:, COLUMNS.index(column)]
            found[name][measure] |= {
                "identical": int((error == 0).sum()),
                "pooled": _finite(float(decibels(error.mean()))),
            }
    if distance is not None:
        real = _stats(rows, REAL, patches)
        for name in methods:
            value = frechet_distance(_stats(rows, name, patches), real)
            found[name][distance] = {"value": value, "n": real.count}
    return found


def _values(table: Tensor, perceptual: str | None) -> dict[str, Tensor]:
    """Measure -> a number a picture."""
    columns = dict(zip(COLUMNS, table.T, strict=True))
    values = {"psnr_rgb": decibels(columns["error_rgb"]), "psnr_y": decibels(columns["error_y"])}
    values["ssim_y"] = columns["ssim_y"]
    if perceptual is not None:
        values[perceptual] = columns["perceptual"]
    return values | {"consistency_psnr": decibels(columns["error_small"])}


def _of_pictures(column: Tensor, baseline: Tensor | None, seed: int) -> dict[str, Any]:
    found = _interval(column, seed)
    if baseline is not None:
        found["over_bicubic"] = _interval(column - baseline, seed)
    return found


def _interval(column: Tensor, seed: int) -> dict[str, Any]:
    """Mean and its bootstrap interval; None where the mean is not finite."""
    if not bool(torch.isfinite(column).all()):
        return {"value": None, "low": None, "high": None, "n": len(column)}
    return dict(bootstrap_mean(np.asarray(column), seed=seed).as_dict())  # pyright: ignore[reportArgumentType]


def _stats(rows: Rows, name: str, patches: int) -> FeatureStats:
    """Chunk by chunk in order: the same bits whoever made the chunks."""
    stats: FeatureStats | None = None
    for chunk in rows.chunks(name + PATCHES):
        features = chunk.reshape(len(chunk) * patches, -1)
        stats = stats or FeatureStats(rows.probe_name, features.shape[1], protocol=rows.probe_protocol)
        stats.add(features)
    assert stats is not None
    return stats


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
