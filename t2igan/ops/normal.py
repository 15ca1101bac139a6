"""Standard normal numbers out of uniform ones, where each must be a function of one uniform number. Not a generator."""

from __future__ import annotations

import torch
from torch import Tensor

HALF_STEP = (
    2.0**-25
)  # of float32's uniform numbers, which are multiples of 2^-24: 0 becomes -5.4, and not -infinity


def normal_of(u: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) -> standard normal ones between -5.5 and 5.5, by the inverse distribution function."""
    return torch.special.ndtri(u.to(torch.float64) + HALF_STEP).to(
        u.dtype
    )  # 1 - 2^-24 would become 1 in float32
