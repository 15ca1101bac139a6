"""Equalised convolution of the StyleGAN2 discriminator, and its filtered halving. Twice differentiable. Not: modulated."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.ops.layers import SLOPE
from t2igan.ops.upfirdn2d import resample_filter, upfirdn2d


class EqualConv(nn.Module):
    """Convolution with weights stored as N(0, 1) and scaled at run time; the map keeps its size, or halves it.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: odd side of the filter.
        down: 2 halves the size, behind the [1, 3, 3, 1] low-pass filter, or for 1x1 filters by means of 2 x 2 values:
            the strided depth-wise filter that StyleGAN2 has there took a quarter of a training step on a CPU.
        activation: `lrelu` is a leaky ReLU times sqrt(2).
        bias: whether there is one, from 0.

    Source: Karras et al. 2020 (StyleGAN2), section 2 and appendix B.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        down: int = 1,
        activation: Literal["linear", "lrelu"] = "lrelu",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.down, self.activation = down, activation
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("resample_filter", resample_filter(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] -> [N, O, H / down, W / down]."""
        kernel = self.weight.shape[-1]
        gain = 1 / math.sqrt(self.weight[0].numel())
        if self.activation == "lrelu":
            gain *= math.sqrt(2)  # a leaky ReLU is homogeneous: its gain rides on the weights
        padding = kernel // 2
        if self.down == 2:
            x = F.avg_pool2d(x, 2) if kernel == 1 else upfirdn2d(x, self.resample_filter, padding=(2, 2))
            padding = 0
        stride = self.down if kernel > 1 else 1
        bias = None if self.bias is None else self.bias * (math.sqrt(2) if self.activation == "lrelu" else 1)
        y = F.conv2d(
            x,
            (self.weight * gain).to(x.dtype),
            None if bias is None else bias.to(x.dtype),
            stride=stride,
            padding=padding,
        )
        return F.leaky_relu(y, SLOPE) if self.activation == "lrelu" else y
