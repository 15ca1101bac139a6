"""Batch normalisation over small groups of consecutive samples, without running statistics. Not: torch's BatchNorm."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNormLocal(nn.Module):
    """Normalise each channel by its mean and variance over the positions of at most `virtual_batch` samples.

    The same in training and evaluation. A batch is cut into ceil(B / virtual_batch) groups of consecutive samples; if
    they cannot be equal, the last ones are one sample smaller (upstream rejects such batches).

    Args:
        channels: C.
        virtual_batch: most samples in a group.
        eps: added to the variance.
    """

    def __init__(self, channels: int, *, virtual_batch: int = 8, eps: float = 1e-5) -> None:
        super().__init__()
        self.virtual_batch = virtual_batch
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, ...] -> the same shape, dtype and memory format; statistics in float32."""
        groups = x.split(group_sizes(len(x), self.virtual_batch))
        with torch.autocast(x.device.type, enabled=False):
            # One call a group: folding the groups into the channels of one call copies the map four times. In bfloat16,
            # 64 x 64 x 16 x 16, forward and backward on one core: 2.2 ms here, 4.3 ms folded.
            return torch.cat(
                [
                    F.batch_norm(g, None, None, self.weight, self.bias, training=True, eps=self.eps)
                    for g in groups
                ]
            )


def group_sizes(batch: int, most: int) -> list[int]:
    """Cut `batch` samples into as few groups of at most `most` as possible, larger ones first, differing by at most 1."""
    num_groups = math.ceil(batch / most)
    size, num_larger = divmod(batch, num_groups)
    return [size + 1] * num_larger + [size] * (num_groups - num_larger)
