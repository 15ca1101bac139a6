"""metrics/intervals.py: against scipy, against theory, and coverage by simulation."""

import numpy as np
import pytest
from scipy import stats

from t2igan.metrics.intervals import bootstrap_mean, jackknife, subsampled, wilson


@pytest.mark.parametrize(("right", "n"), [(0, 10), (1, 1), (5, 10), (950, 1000), (1000, 1000)])
def test_wilson_is_scipys(right: int, n: int):
    ours = wilson(right, n)
    theirs = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert (ours.value, ours.n) == (right / n, n)


def test_a_perfect_score_still_has_an_interval():
    assert 0.995 < wilson(1000, 1000).low < 0.9965
    assert wilson(1000, 1000).high == 1


def test_the_bootstrap_interval_of_many_values_is_the_normal_one():
    values = np.random.default_rng(0).normal(3, 2, 4000)
    interval = bootstrap_mean(values.tolist())
    half = 1.96 * values.std() / np.sqrt(4000)
    assert (interval.low, interval.high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.01
    )
    assert bootstrap_mean(values.tolist()) == interval


def test_the_jackknife_of_a_mean_is_the_standard_error():
    values = np.random.default_rng(1).normal(0, 1, 100)
    left_out = [np.delete(values, i).mean() for i in range(100)]
    interval = jackknife(values.mean(), left_out, n=100)
    assert interval.high - interval.value == pytest.approx(1.959964 * values.std(ddof=1) / 10, rel=1e-6)


def test_the_spread_of_subsets_gives_the_standard_error_of_the_whole():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 400)
    means = [rng.choice(values, 100, replace=False).mean() for _ in range(4000)]
    interval = subsampled(np.mean(means), np.std(means), size=100, n=400)
    assert interval.high - interval.value == pytest.approx(1.96 * values.std() / 20, rel=0.05)  # 4000 subsets
