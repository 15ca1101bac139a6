"""Dropped feature channels as a pure function of the maps and given random numbers: augmentation in feature space."""

from __future__ import annotations

import torch
from torch import Tensor

MULTIPLIERS = (1009, 9973)  # from, to: large, so that neighbouring u give unrelated patterns


def drop_channels(maps: list[Tensor], u: Tensor, share: float) -> list[Tensor]:
    """Zero about `share` of the channels of each image, others in each map, and scale the rest up by as much.

    Args:
        maps: [N, C, ...] feature maps; differentiable.
        u: [N] uniform numbers in [0, 1): the same number gives the same pattern in any batch.
        share: in [0, 1), of the channels.
    """
    return [_drop(x, u, share, number) for number, x in enumerate(maps)]


def _drop(x: Tensor, u: Tensor, share: float, number: int) -> Tensor:
    # frac(u k) of whole numbers k is as uniform as u is, and unrelated between channels of unlike k.
    generator = torch.Generator().manual_seed(number)
    k = torch.randint(*MULTIPLIERS, (x.shape[1],), generator=generator).to(u.device)
    kept = (u[:, None] * k).frac() >= share  # [N, C]
    scale = (kept / (1 - share)).to(x.dtype)
    return x * scale.reshape(*scale.shape, *[1] * (x.ndim - 2))
