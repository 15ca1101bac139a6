"""Standard normal numbers out of uniform ones, where each must be a function of one uniform number. Not a generator."""

from __future__ import annotations

import torch
from torch import Tensor

HALF_STEP = (
    2.0**-25
)  # of float32's uniform numbers, which are multiples of 2^-24: 0 becomes -5.4, and not -infinity


def normal_of(u: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) -> standard normal ones between -5.5 and 5.5, by the inverse distribution function."""
    place = "cpu" if u.device.type == "mps" else u.device  # which has no float64
    wide = u.to(place, torch.float64) + HALF_STEP  # 1 - 2^-24 would become 1 in float32
    return torch.special.ndtri(wide).to(u.device, u.dtype)
