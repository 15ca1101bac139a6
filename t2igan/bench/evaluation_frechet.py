"""The Frechet distance, ours and by SciPy's matrix square root, on two covariances whose distance is known exactly.

If S2 = T S1 T with a symmetric positive T, then T carries one Gaussian to the other and tr (S1 S2)^1/2 = tr (S1 T). The
three matrices do not commute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2igan.bench.machine import describe
from t2igan.metrics.fid import frechet_distance
from t2igan.metrics.stats import FeatureStats
from t2igan.weight_places import import_library

DIM = 2048  # Inception's
COUNT = 30_000  # pictures that the statistics claim
OURS, SQRTM = "ours", "scipy.linalg.sqrtm"


def bench_frechet(*, dim: int = DIM) -> dict[str, Any]:
    """Measure both once.

    Args:
        dim: length of a feature.

    Returns:
        {"seconds": {"ours", "scipy.linalg.sqrtm"}, "error": relative to the exact value, of each, "ratio": sqrtm's seconds in
        ours, "dim", and the machine's description}.
    """
    sqrtm = import_library("scipy.linalg").sqrtm
    real, drawn, exact = _known(dim)
    roads: dict[str, Callable[[], float]] = {
        OURS: lambda: frechet_distance(real, drawn),
        SQRTM: lambda: _by_square_root(real, drawn, sqrtm),
    }
    seconds, error = {}, {}
    for road, measure in roads.items():
        start = time.perf_counter()
        error[road] = abs(measure() / exact - 1)
        seconds[road] = time.perf_counter() - start
    return describe(torch.device("cpu")) | {
        "dim": dim,
        "seconds": seconds,
        "error": error,
        "ratio": seconds[SQRTM] / seconds[OURS],
    }


def _known(dim: int) -> tuple[FeatureStats, FeatureStats, float]:
    """Statistics of two sets, and their distance."""
    generator = torch.Generator().manual_seed(0)

    def positive() -> Tensor:
        rows = torch.randn(2 * dim, dim, generator=generator, dtype=torch.float64)
        return rows.T @ rows / (2 * dim)

    first, carry = positive(), positive()
    second = carry @ first @ carry
    mean = torch.randn(dim, generator=generator, dtype=torch.float64) / 10
    exact = mean @ mean + first.trace() + second.trace() - 2 * (first * carry).sum()
    zero = torch.zeros(dim, dtype=torch.float64)
    return _stats(zero, first), _stats(mean, (second + second.T) / 2), float(exact)


def _stats(mean: Tensor, cov: Tensor) -> FeatureStats:
    stats = FeatureStats("bench", len(mean))
    stats.count, stats.mean, stats.scatter = COUNT, mean, cov * (COUNT - 1)
    return stats


def _by_square_root(a: FeatureStats, b: FeatureStats, sqrtm: Callable[[np.ndarray], np.ndarray]) -> float:
    """As pytorch-fid and clean-fid compute it."""
    first, second = a.cov().numpy(), b.cov().numpy()
    root = np.trace(sqrtm(first @ second)).real
    means = (a.mean - b.mean).square().sum().item()
    return float(means + np.trace(first) + np.trace(second) - 2 * root)
