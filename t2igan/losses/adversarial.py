"""Adversarial and guidance terms as per-sample functions. Not the bookkeeping of phases."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Of the two mathematically equal forms, arccos has an infinite gradient at equal vectors; arcsin of half the chord
# does not, and its square is smooth there. (spec D18)
_MAX_HALF_CHORD = 1 - 1e-6


def hinge_real(logits: Tensor) -> Tensor:
    """[N, K] scores of real images -> [N]: mean of relu(1 - score). Source: StyleGAN-T, section 7 of the spec."""
    return F.relu(1 - logits.float()).mean(1)


def hinge_fake(logits: Tensor) -> Tensor:
    """[N, K] scores of generated images -> [N]: mean of relu(1 + score)."""
    return F.relu(1 + logits.float()).mean(1)


def hinge_generator(logits: Tensor) -> Tensor:
    """[N, K] scores of generated images -> [N]: minus their mean."""
    return -logits.float().mean(1)


def logistic_real(logits: Tensor) -> Tensor:
    """[N, K] scores of real images -> [N]: mean of log(1 + exp(-score)), finite for any score."""
    return F.softplus(-logits.float()).mean(1)


def logistic_fake(logits: Tensor) -> Tensor:
    """[N, K] scores of generated images, or of wrong captions -> [N]: mean of log(1 + exp(score))."""
    return F.softplus(logits.float()).mean(1)


def logistic_generator(logits: Tensor) -> Tensor:
    """[N, K] scores of generated images -> [N]: the non-saturating loss, mean of log(1 + exp(-score))."""
    return logistic_real(logits)


def spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """Squared angle between rows, in radians^2: arccos(<x, y>)^2 of the normalised rows.

    Args:
        x: [N, D], any length.
        y: [N, D], any length.

    Returns:
        [N] in [0, pi^2]; finite gradients everywhere, zero at equal rows.
    """
    x, y = F.normalize(x.float(), dim=1), F.normalize(y.float(), dim=1)
    half_chord_squared = ((x - y).square().sum(1) / 4).clamp(max=_MAX_HALF_CHORD**2)
    return _squared_double_arcsin(half_chord_squared)


def _squared_double_arcsin(q: Tensor) -> Tensor:
    # (2 arcsin sqrt(q))^2; near 0 its series 4q + 4q^2/3, where sqrt has no finite gradient.
    small = q < 1e-6
    safe = torch.where(small, torch.full_like(q, 0.25), q)
    return torch.where(small, 4 * q + 4 * q.square() / 3, 4 * safe.sqrt().arcsin().square())
