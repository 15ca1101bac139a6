"""Minibatch standard deviation: one more channel that tells how much the samples of a group differ."""

from __future__ import annotations

import torch
from torch import Tensor


def minibatch_std(x: Tensor, group: int) -> Tensor:
    """Append the mean standard deviation of each group of samples, as one channel.

    Args:
        x: [N, C, H, W]; N must be a multiple of min(group, N).
        group: samples that are compared; consecutive ones.

    Returns:
        [N, C + 1, H, W].

    Source: Karras et al. 2018 (progressive GAN), section 3.
    """
    n, _, h, w = x.shape
    size = min(group, n)
    groups = x.float().unflatten(0, (n // size, size))
    std = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [groups]
    channel = std.repeat_interleave(size)[:, None, None, None].expand(-1, 1, h, w)
    return torch.cat([x, channel.to(x.dtype)], dim=1)
