"""A weightless convolutional backbone with a fixed seed, for tests and smoke runs. Not: a judge of image quality."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.features.config import RandomConvConfig

SEED = 0


class RandomConvTaps(nn.Module):
    """Stride-2 4x4 convolutions with leaky ReLUs; each one's output is a tap."""

    def __init__(self, config: RandomConvConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.channels = config.channels
        generator = torch.Generator().manual_seed(SEED)
        self.weights = nn.ParameterList()
        for fan_in, fan_out in zip((3, *config.channels), config.channels, strict=False):
            scale = (2 / (fan_in * 16)) ** 0.5  # keeps the variance through a ReLU
            weight = torch.randn(fan_out, fan_in, 4, 4, generator=generator, device="cpu") * scale
            self.weights.append(nn.Parameter(weight, requires_grad=False))

    def forward(self, img: Tensor) -> list[Tensor]:
        """[N, 3, S, S] in [0, 1] -> maps [N, channels[i], S / 2^(i+1), S / 2^(i+1)]."""
        x, maps = img * 2 - 1, []
        for weight in self.weights:
            x = F.leaky_relu(F.conv2d(x, weight, stride=2, padding=1), 0.2)
            maps.append(x)
        return maps
