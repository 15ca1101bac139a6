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
        """[B, C, ...] -> the same shape and dtype; statistics in float32."""
        num_groups = math.ceil(len(x) / self.virtual_batch)
        size, num_larger = divmod(len(x), num_groups)
        if num_larger == 0:
            return self._equal_groups(x, num_groups)
        head, tail = x.split([num_larger * (size + 1), len(x) - num_larger * (size + 1)])
        return torch.cat(
            [self._equal_groups(head, num_larger), self._equal_groups(tail, num_groups - num_larger)]
        )

    def _equal_groups(self, x: Tensor, num_groups: int) -> Tensor:
        """All groups in one batch_norm: they become channels of a [B / G, G C, L] view."""
        b, c = x.shape[:2]
        size = b // num_groups
        y = x.reshape(num_groups, size, c, -1).transpose(0, 1).reshape(size, num_groups * c, -1)
        weight, bias = self.weight.repeat(num_groups), self.bias.repeat(num_groups)
        with torch.autocast(x.device.type, enabled=False):
            y = F.batch_norm(y.float(), None, None, weight, bias, training=True, eps=self.eps).to(x.dtype)
        return y.reshape(size, num_groups, c, -1).transpose(0, 1).reshape(x.shape)
