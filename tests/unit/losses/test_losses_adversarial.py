"""Hinge terms and the spherical distance, by known values."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from t2igan.losses.adversarial import hinge_fake, hinge_generator, hinge_real, spherical_distance

LOGITS = torch.tensor([[-3.0, -1.0, 0.0], [0.5, 1.0, 4.0]])


def test_hinge_terms_have_their_known_values():
    assert hinge_real(LOGITS).tolist() == pytest.approx([(4 + 2 + 1) / 3, 0.5 / 3])
    assert hinge_fake(LOGITS).tolist() == pytest.approx([1 / 3, (1.5 + 2 + 5) / 3])
    assert hinge_generator(LOGITS).tolist() == pytest.approx([4 / 3, -5.5 / 3])


def test_hinge_terms_are_float32_for_half_precision_logits():
    for term in (hinge_real, hinge_fake, hinge_generator):
        assert term(LOGITS.bfloat16()).dtype == torch.float32


def at_angle(degrees: float, length: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A unit vector, and one of `length` at an angle to it; float64, so that the angle is exact."""
    angle = math.radians(degrees)
    x = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    return x, x.new_tensor([[math.cos(angle), math.sin(angle), 0.0]]) * length


@pytest.mark.parametrize("degrees", [0, 0.001, 0.05, 0.1, 1, 30, 60, 90, 120, 179])
def test_the_distance_is_the_squared_angle_and_ignores_lengths(degrees: float):
    x, y = at_angle(degrees, length=7.0)
    expected = math.radians(degrees) ** 2
    # float32; at 179 degrees one part in 1e7 of the chord is one in 1e5 of the angle
    assert float(spherical_distance(x, y)) == pytest.approx(expected, rel=2e-4, abs=1e-12)


def test_the_distance_of_random_rows_is_that_of_arccos_in_float64():
    torch.manual_seed(0)
    x, y = torch.randn(100, 16), torch.randn(100, 16)
    cosine = (F.normalize(x.double(), dim=1) * F.normalize(y.double(), dim=1)).sum(1)
    torch.testing.assert_close(spherical_distance(x, y).double(), cosine.arccos().square(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("degrees", [0, 1e-4, 0.1, 45, 179.9, 180])
def test_the_gradient_is_finite_everywhere_and_at_an_angle_twice_the_angle(degrees: float):
    x, y = at_angle(degrees)
    x = x.float().requires_grad_()
    spherical_distance(x, y.float()).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    if degrees == 45:
        assert float(x.grad.norm()) == pytest.approx(2 * math.radians(45), rel=1e-5)
    if degrees == 0:
        assert float(x.grad.norm()) == 0


def test_opposite_rows_are_as_far_as_rows_can_be():
    x = torch.tensor([[0.6, 0.8]])
    assert float(spherical_distance(x, -x)) == pytest.approx(
        math.pi**2, rel=2e-3
    )  # the gradient stays finite for it
