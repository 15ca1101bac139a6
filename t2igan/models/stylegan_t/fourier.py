"""StyleGAN-T's input: Fourier features of an 8x8 grid, moved and turned by a learned transform. Not: any convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from t2igan.ops.layers import Dense

SIZE = 8  # pixels of the first feature map
BANDWIDTH = 2.0  # largest frequency, in cycles per image


class FourierInput(nn.Module):
    """[N, 4] transform codes -> [N, channels, 8, 8] features, float32, channels last.

    Source: Karras et al. 2021 (StyleGAN3), section 3.2 and appendix F, with sampling rate 8 and bandwidth 2.
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Dense(w_dim, 4, weight_init=0, bias_init=(1.0, 0.0, 0.0, 0.0))
        g = torch.randn(channels, 2)
        radius = g.norm(dim=1, keepdim=True)
        # |g| is Rayleigh distributed; this maps it to the radius of a uniform point in a disc.
        self.register_buffer("freqs", BANDWIDTH * g / (radius * (radius.square() / 4).exp()))
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))

    def forward(self, style: Tensor) -> Tensor:
        """Evaluate the features at the centres of the 8x8 pixels, and mix them by `weight`.

        Args:
            style: [N, 4]: rotation (cos, sin) and translation (x, y), all divided by the length of the first two.
        """
        freqs, phases = self._moved(style)
        amplitude = (1 - (freqs.norm(dim=2) - BANDWIDTH) / (SIZE / 2 - BANDWIDTH)).clamp(0, 1)  # [N, C]
        u = (torch.arange(SIZE, device=style.device) + 0.5) / SIZE - 0.5
        angle = (freqs[:, None, None, :, 0] * u[:, None] + phases[:, None, None]) + (
            freqs[:, None, None, :, 1] * u[:, None, None]
        )  # [N, y, x, C]
        features = torch.sin(2 * math.pi * angle) * amplitude[:, None, None]
        mixed = features @ (self.weight / math.sqrt(len(self.weight))).T
        return mixed.permute(0, 3, 1, 2)  # channels last in memory, for nothing

    def _moved(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """Frequencies [N, C, 2] and phases [N, C] after rotation, translation and the user's transform."""
        cos, sin, x, y = (style / style[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rotate = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).reshape(-1, 3, 3)
        translate = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).reshape(-1, 3, 3)
        matrix = rotate @ translate @ self.transform
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)
        return self.freqs @ matrix[:, :2, :2], phases
