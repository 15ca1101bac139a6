"""95 % intervals of shares, means and smooth statistics. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval and how many observations it rests on."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def wilson(num_right: int, n: int) -> Interval:
    """Wilson's score interval of a share; inside [0, 1] and of positive width even at 0 and 100 %.

    Args:
        num_right: successes.
        n: trials, 1 or more.

    Source: Wilson 1927; checked against scipy in tests/unit/metrics/test_metrics_intervals.py.
    """
    assert 0 <= num_right <= n
    assert n > 0
    share = num_right / n
    centre = share + Z95**2 / (2 * n)
    half = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    scale = 1 + Z95**2 / n
    return Interval(share, max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale), n)


def bootstrap_mean(values: Sequence[float], *, seed: int = 0, resamples: int = 1000) -> Interval:
    """Percentile bootstrap of a mean.

    Args:
        values: one or more independent observations.
        seed: of the resampling.
        resamples: how many.
    """
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = [array[rng.integers(0, len(array), len(array))].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(array.mean()), float(low), float(high), len(array))


def jackknife(value: float, left_out: Sequence[float], *, n: int) -> Interval:
    """Interval of a smooth statistic from its values with one group of observations left out each time.

    A bootstrap would not do for a Frechet distance: repeated images bias it upwards.

    Args:
        value: the statistic of everything.
        left_out: its values without group 1, 2, ...; two groups or more of equal size.
        n: number of observations.

    Source: Efron and Tibshirani 1993, chapter 11 (delete-d jackknife over groups).
    """
    groups = len(left_out)
    half = Z95 * math.sqrt((groups - 1) * float(np.var(left_out)))
    return Interval(value, value - half, value + half, n)


def subsampled(mean: float, std: float, *, size: int, n: int) -> Interval:
    """Interval of a statistic of all n observations, from its spread over subsets drawn without replacement.

    Args:
        mean: over subsets.
        std: over subsets.
        size: observations a subset, less than n.
        n: observations in all.

    Source: Politis, Romano and Wolf 1999; variances scale as 1 / size with the finite-population correction.
    """
    half = Z95 * std * math.sqrt(size / (n - size))
    return Interval(mean, mean - half, mean + half, n)
