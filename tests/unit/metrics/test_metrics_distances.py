"""fid, kid, prc, cmmd, clip_score, inception_score: values known in closed form, invariants, refusals."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from t2igan.errors import T2IGanError
from t2igan.metrics import METRICS
from t2igan.metrics.clip_score import clip_score, cosines
from t2igan.metrics.cmmd import cmmd
from t2igan.metrics.fid import frechet_distance, frechet_distance_of_features
from t2igan.metrics.inception_score import inception_score
from t2igan.metrics.kid import kernel_distance, mmd2_unbiased
from t2igan.metrics.prc import precision_recall
from t2igan.metrics.stats import FeatureStats


def normal(n: int, dim: int, seed: int) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stats_of(rows: Tensor) -> FeatureStats:
    stats = FeatureStats("net", rows.shape[1])
    stats.add(rows)
    return stats


@pytest.mark.parametrize("name", METRICS.names())
def test_every_name_in_the_table_is_a_function(name: str):
    assert callable(METRICS[name])


def test_a_shift_costs_its_squared_length():
    x = normal(50, 4, 0)
    shift = torch.tensor([1.0, -2.0, 0.5, 0.0])
    expected = float(shift.square().sum())
    assert frechet_distance_of_features(x, x + shift) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(stats_of(x), stats_of(x + shift)) == pytest.approx(expected, rel=1e-12)


def test_a_scale_costs_the_squared_difference_of_standard_deviations():
    x = normal(50, 1, 0)
    x = x - x.mean()
    expected = float((3 * x).std() - x.std()) ** 2
    assert frechet_distance_of_features(x, 3 * x) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(stats_of(x), stats_of(3 * x)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(100, 80), (100, 6), (6, 100), (5, 4), (9, 8)])
def test_both_routes_agree_and_are_symmetric_for_any_rank(n: int, m: int):
    x, y = normal(n, 8, 1), 2 * normal(m, 8, 2) + 1
    distance = frechet_distance_of_features(x, y)
    for other in (
        frechet_distance_of_features(y, x),
        frechet_distance(stats_of(x), stats_of(y)),
        frechet_distance(stats_of(y), stats_of(x)),
    ):
        assert other == pytest.approx(distance, rel=1e-10)


def test_a_rotation_of_both_sets_changes_nothing():
    x, y = normal(60, 6, 1), normal(60, 6, 2) * 1.5
    rotation = torch.linalg.qr(normal(6, 6, 3)).Q
    assert frechet_distance_of_features(x @ rotation, y @ rotation) == pytest.approx(
        frechet_distance_of_features(x, y), rel=1e-11
    )


def test_a_dead_feature_costs_nothing():
    x, y = normal(60, 6, 1), normal(60, 6, 2)
    padded = [torch.cat([rows, torch.zeros(60, 1)], dim=1) for rows in (x, y)]
    assert frechet_distance(*map(stats_of, padded)) == pytest.approx(
        frechet_distance(stats_of(x), stats_of(y)), rel=1e-7
    )


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_a_feature_told_twice_counts_twice(scale: float):
    x, y = (torch.cat([rows, scale * rows[:, :2]], dim=1) for rows in (normal(60, 6, 1), normal(70, 6, 2)))
    assert frechet_distance(stats_of(x), stats_of(y)) == pytest.approx(
        frechet_distance_of_features(x, y), rel=1e-6
    )


def test_statistics_of_two_extractors_have_no_distance():
    other = FeatureStats("another", 4)
    with pytest.raises(T2IGanError, match="another"):
        frechet_distance(stats_of(normal(9, 4, 0)), other)


def test_kid_over_whole_sets_is_the_unbiased_mmd_with_no_spread():
    x, y = normal(30, 4, 1), normal(30, 4, 2)
    result = kernel_distance(x, y, subsets=3, subset_size=1000)
    assert result.mean == pytest.approx(mmd2_unbiased(x, y), rel=1e-12)
    assert result.std == pytest.approx(0, abs=1e-12)
    assert result.subset_size == 30


def test_the_unbiased_mmd_of_two_points_each_is_the_sum_written_out():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [1.0]])
    expected = (1 * 2 + 1) ** 3 + (0 * 1 + 1) ** 3 - 2 / 4 * (1 + 8 + 1 + 27)
    assert mmd2_unbiased(x, y) == expected


def test_kid_repeats_with_its_seed_and_needs_two_images():
    x, y = normal(30, 4, 1), normal(40, 4, 2)
    assert kernel_distance(x, y, subset_size=9, seed=1) == kernel_distance(x, y, subset_size=9, seed=1)
    assert kernel_distance(x, y, subset_size=9, seed=1) != kernel_distance(x, y, subset_size=9, seed=2)
    with pytest.raises(T2IGanError, match="at least 2"):
        kernel_distance(x[:1], y)


def test_far_apart_sets_have_no_precision_recall_or_coverage():
    result = precision_recall(normal(40, 3, 1), normal(30, 3, 2) + 100)
    assert list(vars(result).values()) == [0, 0, 0, 0]


def test_generated_images_on_one_real_point_are_precise_but_recall_little():
    real = normal(40, 3, 1)
    result = precision_recall(real, real[:1].expand(20, 3) + 1e-6 * normal(20, 3, 2))
    assert result.precision == 1
    assert result.recall <= 1 / 40  # the point itself
    assert result.density >= 1
    assert result.coverage < 0.5


@pytest.mark.parametrize("comparison", ["<=", "<"])
def test_precision_recall_equals_the_definition_written_as_loops(comparison: str):
    real, gen = (rows.round() for rows in (normal(25, 2, 1), normal(20, 2, 2)))  # rounded: many ties

    def distance(a, b):
        return math.dist(a.tolist(), b.tolist())

    def radius(points, i, k):
        return sorted(distance(points[i], p) for p in points)[k]

    def holds(points, i, p, k):
        d, r = distance(points[i], p), radius(points, i, k)
        return d <= r if comparison == "<=" else d < r

    near, wide = (np.array([[holds(real, i, g, k) for g in gen] for i in range(25)]) for k in (2, 4))
    recalled = np.array([any(holds(gen, j, r, 2) for j in range(20)) for r in real])
    result = precision_recall(real, gen, k=2, k_density=4, comparison=comparison)
    assert result.precision == pytest.approx(near.any(0).mean())
    assert result.recall == pytest.approx(recalled.mean())
    assert result.density == pytest.approx(wide.sum() / (4 * 20))
    assert result.coverage == pytest.approx(wide.any(1).mean())


def test_precision_and_recall_look_at_three_neighbours_and_density_and_coverage_at_five():
    real, gen = normal(40, 3, 1), normal(30, 3, 2) * 1.3
    three, five, found = (
        precision_recall(real, gen, **k) for k in ({"k_density": 3}, {"k": 5}, dict[str, int]())
    )
    assert (found.precision, found.recall) == (three.precision, three.recall) != (five.precision, five.recall)
    assert (found.density, found.coverage) == (five.density, five.coverage) != (three.density, three.coverage)


def test_blocks_of_the_distance_matrix_do_not_change_precision_recall(monkeypatch: pytest.MonkeyPatch):
    real, gen = normal(50, 3, 1), normal(45, 3, 2)
    whole = precision_recall(real, gen)
    monkeypatch.setattr("t2igan.metrics.prc.BLOCK", 7)
    assert precision_recall(real, gen) == whole


def test_precision_recall_needs_more_images_than_neighbours():
    with pytest.raises(T2IGanError, match="k = 5"):
        precision_recall(normal(5, 2, 1), normal(30, 2, 2))


def test_cmmd_of_a_set_with_itself_is_zero_and_ignores_lengths():
    x, y = normal(20, 8, 1), normal(25, 8, 2)
    assert cmmd(x, x) == pytest.approx(0, abs=1e-10)
    assert cmmd(3 * x, y) == pytest.approx(cmmd(x, y), rel=1e-10)


def test_cosines_ignore_lengths_and_see_direction():
    image = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    text = torch.tensor([[5.0, 0.0], [1.0, 0.0], [-1.0, -1.0]])
    assert cosines(image, text).tolist() == pytest.approx([1, 0, -1])


def test_the_clip_score_may_be_negative():
    image = normal(10, 4, 1)
    assert clip_score(image, -image).value == pytest.approx(-1)


def test_confident_and_evenly_spread_classes_give_the_largest_inception_score():
    logits = 1000.0 * torch.eye(5).repeat(4, 1)  # a probability of 0 must add 0, not NaN
    assert inception_score(logits, splits=1) == (pytest.approx(5), 0)


def test_equal_predictions_give_an_inception_score_of_one():
    assert inception_score(normal(1, 7, 0).expand(20, 7)) == (pytest.approx(1), pytest.approx(0))


def test_broken_logits_show_in_the_inception_score():
    logits = normal(20, 7, 0)
    logits[3, 2] = float("nan")
    assert math.isnan(inception_score(logits)[0])


def test_the_inception_score_needs_an_image_for_each_split():
    with pytest.raises(T2IGanError, match="10 splits"):
        inception_score(normal(9, 7, 0))
