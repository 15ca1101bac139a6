"""Minibatch standard deviation: one more channel that tells how much the samples of a group differ."""

from __future__ import annotations

import torch
from torch import Tensor


def group_size(samples: int, most: int) -> int:
    """The largest number of samples up to `most` that groups of equal size can have."""
    return max(size for size in range(1, min(samples, most) + 1) if samples % size == 0)


def minibatch_std(x: Tensor, group: int, *, samples: int | None = None) -> Tensor:
    """Append the mean standard deviation of each group of samples, as one channel.

    Args:
        x: [N, C, H, W].
        group: samples that are compared, consecutive ones; fewer where N is no multiple, see `group_size`.
        samples: N consists of so many real ones, so many generated ones, ..., and no group has samples of two kinds; None = of
            one kind.

    Returns:
        [N, C + 1, H, W].

    Source: Karras et al. 2018 (progressive GAN), section 3.
    """
    n, _, h, w = x.shape
    size = group_size(samples or n, group)
    groups = x.float().unflatten(0, (n // size, size))
    std = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [groups]
    channel = std.repeat_interleave(size)[:, None, None, None].expand(-1, 1, h, w)
    return torch.cat([x, channel.to(x.dtype)], dim=1)
