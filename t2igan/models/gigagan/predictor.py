"""GigaGAN's predictor: how well a feature map fits a prompt, and how real it looks at all. Not: the features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.ops.layers import SLOPE, Dense
from t2igan.ops.modulated_conv import EPSILON


class ModulatedLayer(nn.Module):
    """1x1 convolution modulated by the prompt and demodulated, leaky ReLU times sqrt(2); twice differentiable."""

    def __init__(self, channels: int, text_width: int) -> None:
        super().__init__()
        self.affine = Dense(text_width, channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, summary: Tensor) -> Tensor:
        """Pixels [N, P, C] and prompts [N, width] -> [N, P, C]."""
        style = self.affine(summary)
        scale = (style.square() @ self.weight.square().T + EPSILON).rsqrt() * math.sqrt(2)  # [N, C]
        bias = (self.bias * math.sqrt(2)).to(x.dtype)
        if x.shape[1] < x.shape[2]:  # few pixels: scaling them costs less than weights for each prompt
            y = F.linear(x * style.to(x.dtype)[:, None], self.weight.to(x.dtype))
            return F.leaky_relu(torch.addcmul(bias, y, scale.to(y.dtype)[:, None]), SLOPE)
        weight = style[:, :, None] * self.weight.T * scale[:, None, :]  # [N, C in, C out]
        return F.leaky_relu(torch.baddbmm(bias, x, weight.to(x.dtype)), SLOPE)


class Predictor(nn.Module):
    """D(x, c) = psi(features, t_D) + Conv1x1(features): the second term is the text-free verdict.

    Source: Kang et al. 2023, equation 7.
    """

    def __init__(self, channels: int, text_width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ModulatedLayer(channels, text_width) for _ in range(layers))
        self.matched = Dense(channels, 1)
        self.alone = Dense(channels, 1)

    def forward(self, x: Tensor, summary: Tensor) -> Tensor:
        """Maps [M N, C, h, w], M of each prompt, and prompts [N, width] -> logits [M, N, P], one a pixel."""
        maps = len(x) // len(summary)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2).unflatten(0, (maps, -1)).transpose(0, 1)  # [N, M, P, C]
        y = pixels.flatten(1, 2)
        with torch.autocast(x.device.type, enabled=False):
            for layer in self.layers:
                y = layer(y, summary.float())
            fit = self.matched(y.float()).unflatten(1, (maps, -1))  # [N, M, P, 1]
            real = self.alone(pixels.float())
        return (fit + real)[..., 0].transpose(0, 1)
