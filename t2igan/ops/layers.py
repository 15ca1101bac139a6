"""The equalised dense layer and second-moment normalisation of the StyleGANs. Not: convolutions (modulated_conv.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of every leaky ReLU in the StyleGAN family


class Dense(nn.Module):
    """Linear layer with an equalised learning rate: weights are stored as N(0, 1) / lr_multiplier, scaled at run time.

    y = x (W m / sqrt(in_features))^T + m b, with m = lr_multiplier; `lrelu` appends a leaky ReLU times sqrt(2).

    Args:
        in_features: length of the input.
        out_features: length of the output.
        activation: what follows the affine map.
        lr_multiplier: m; the effective learning rate is m times that of the other layers.
        weight_init: standard deviation of the effective weights times sqrt(in_features).
        bias_init: effective initial bias, one number or one an output.

    Source: Karras et al. 2018 (progressive GAN), section 4.1; StyleGAN-T's values in docs/parity.md.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: Literal["linear", "lrelu"] = "linear",
        lr_multiplier: float = 1.0,
        weight_init: float = 1.0,
        bias_init: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.lr_multiplier = lr_multiplier
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * (weight_init / lr_multiplier))
        bias = torch.tensor(bias_init, dtype=self.weight.dtype).expand(out_features) / lr_multiplier
        self.bias = nn.Parameter(bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_features] to [N, out_features]."""
        gain = self.lr_multiplier / math.sqrt(self.weight.shape[1])
        bias = self.bias if self.lr_multiplier == 1 else self.bias * self.lr_multiplier
        y = F.linear(x * gain, self.weight, bias)  # scaling x, not W, touches fewer numbers
        return F.leaky_relu(y, SLOPE) * math.sqrt(2) if self.activation == "lrelu" else y


def normalize_second_moment(x: Tensor) -> Tensor:
    """Scale each row of [N, D] to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def channel_sums(x: Tensor, dtype: torch.dtype) -> Tensor:
    """[N, C, H, W] -> [N, C] sums over the pixels, in `dtype`."""
    if x.device.type == "cpu" and x.dtype != torch.float16:  # which overflows
        # It accumulates in float32 anyhow; asking for a float32 result of bfloat16 takes 4-7 times as long.
        return x.sum(dim=(2, 3)).to(dtype)
    return x.sum(dim=(2, 3), dtype=dtype)
