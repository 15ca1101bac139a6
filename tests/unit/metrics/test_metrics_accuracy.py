"""metrics/accuracy.py and metrics/projection.py."""

import pytest
import torch

from t2igan.metrics.accuracy import prompt_accuracy
from t2igan.metrics.fid import frechet_distance_of_features
from t2igan.metrics.intervals import wilson
from t2igan.metrics.projection import standardised_pca

COLUMNS = ["layout", "colour_a", "colour_b"]
QUESTIONS = {"colour": ("colour_a", "colour_b"), "layout": ("layout",)}


def test_a_question_is_right_when_all_its_columns_are():
    labels = torch.tensor([[0, 1, 2]] * 4)
    predicted = torch.tensor([[0, 1, 2], [0, 1, 0], [1, 1, 2], [1, 0, 2]])
    answers = prompt_accuracy(predicted, labels, columns=COLUMNS, questions=QUESTIONS)
    assert answers == {"colour": wilson(2, 4), "layout": wilson(2, 4), "all": wilson(1, 4)}


def test_a_column_that_is_not_asked_is_never_wrong_and_an_unasked_image_is_not_counted():
    labels = torch.tensor([[0, 1, -1], [0, -1, -1]])
    predicted = torch.tensor([[0, 1, 2], [0, 0, 0]])
    answers = prompt_accuracy(predicted, labels, columns=COLUMNS, questions=QUESTIONS)
    assert answers == {"colour": wilson(1, 1), "layout": wilson(2, 2), "all": wilson(2, 2)}


def test_a_question_that_nobody_is_asked_has_no_answer():
    labels = torch.tensor([[0, -1, -1]])
    assert "colour" not in prompt_accuracy(labels, labels, columns=COLUMNS, questions=QUESTIONS)


def features(seed: int, n: int = 300) -> torch.Tensor:
    return torch.randn(n, 10, generator=torch.Generator().manual_seed(seed))


def test_the_projection_does_not_see_units_or_offsets():
    units = torch.logspace(-3, 3, 10)
    plain = standardised_pca(features(0).double(), dims=4)(features(1).double())
    scaled = standardised_pca(features(0).double() * units + 5, dims=4)(features(1).double() * units + 5)
    assert torch.allclose(plain.abs(), scaled.abs(), rtol=1e-6)  # a direction may flip


def test_all_components_together_keep_the_distance_of_standardised_features():
    real, gen = features(0).double(), features(1).double() * 1.3
    projection = standardised_pca(real, dims=64)
    std = real.std(dim=0)
    assert projection(gen).shape == (300, 10)
    assert frechet_distance_of_features(projection(real), projection(gen)) == pytest.approx(
        frechet_distance_of_features(real / std, gen / std), rel=1e-10
    )


def test_the_first_components_have_the_largest_variance_and_keep_it():
    real = features(0).double()
    real[:, 1] = real[:, 0] + 0.01 * real[:, 1]  # standardised, the first direction has variance 2
    variances = standardised_pca(real, dims=3)(real).var(dim=0)
    assert variances[0] == pytest.approx(2, rel=0.1)
    assert (variances[:-1] >= variances[1:]).all()


def test_a_dead_feature_is_left_out_and_few_images_give_few_components():
    real = features(0, n=5)
    real[:, 3] = 7.0
    projected = standardised_pca(real)(real)
    assert projected.shape == (5, 4)
    assert projected.isfinite().all()
