"""Convolutions with the classic spectral norm (weight_orig, weight_u, weight_v). Not: torch's parametrization of it.

The old names keep trained official heads loadable; the explicit `advance` allows one power iteration a training step,
however many times the convolution is called in it.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INITIAL_ITERATIONS = 15  # before them, sigma is anything, and an untrained network's logits are huge
Padding = Literal["circular", "zeros"]


class SpectralConv(nn.Module):
    """Convolution of stride 1 and "same" padding whose weight is divided by its largest singular value.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: (k,) for token sequences [N, C, L], (k, k) for maps [N, C, h, w]; odd.
        padding: how the border is continued.
        updates: `per_call` advances the power iteration on every training-mode call, `per_step` only in `advance`.

    Source: Miyato et al. 2018, algorithm 1.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: tuple[int, ...] = (1,),
        padding: Padding = "zeros",
        updates: Literal["per_step", "per_call"] = "per_call",
    ) -> None:
        super().__init__()
        self.updates = updates
        self.padding = padding
        self.weight_orig = nn.Parameter(torch.empty(out_channels, in_channels, *kernel))
        self.bias = nn.Parameter(torch.empty(out_channels))
        bound = 1 / math.sqrt(self.weight_orig[0].numel())
        nn.init.kaiming_uniform_(self.weight_orig, a=math.sqrt(5))  # torch's default for convolutions
        nn.init.uniform_(self.bias, -bound, bound)
        self.register_buffer("weight_u", F.normalize(torch.randn(out_channels), dim=0, eps=1e-12))
        self.register_buffer("weight_v", torch.zeros(self.weight_orig[0].numel()))
        for _ in range(INITIAL_ITERATIONS):
            self.advance()

    @torch.no_grad()
    def advance(self) -> None:
        """One power iteration: u and v move towards the singular vectors of the largest singular value."""
        matrix = self.weight_orig.flatten(1)  # [O, I k]
        self.weight_v.copy_(F.normalize(matrix.T @ self.weight_u, dim=0, eps=1e-12))
        self.weight_u.copy_(F.normalize(matrix @ self.weight_v, dim=0, eps=1e-12))

    def weight(self) -> Tensor:
        """The normalised weight; gradient flows through weight_orig, also inside sigma, not through u and v."""
        # Clones, as a later `advance` would otherwise change what autograd saved.
        u, v = self.weight_u.clone(), self.weight_v.clone()
        sigma = torch.dot(u, self.weight_orig.flatten(1) @ v)
        return self.weight_orig / sigma

    def forward(self, x: Tensor, *, x_gain: float = 1.0) -> Tensor:
        """Convolve x_gain * x: [N, I, ...] -> [N, O, ...] of the same size, in the dtype of x."""
        with torch.autocast(x.device.type, enabled=False):
            if self.training and self.updates == "per_call":
                self.advance()
            weight = (self.weight() * x_gain).to(x.dtype)
            convolve = F.conv1d if weight.ndim == 3 else F.conv2d
            k = weight.shape[-1]
            if k > 1 and self.padding == "circular":
                x = F.pad(x, (k // 2, k // 2) * (weight.ndim - 2), mode="circular")
                return convolve(x, weight, self.bias.to(x.dtype))
            return convolve(x, weight, self.bias.to(x.dtype), padding=k // 2)
