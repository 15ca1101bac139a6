"""Layers of GigaGAN's generator: adaptive convolution with noise and activation, toRGB. Not: how they are wired."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from t2igan.ops.adaptive_conv import adaptive_conv2d, adaptive_conv2d_and_scale
from t2igan.ops.bias_act import bias_act
from t2igan.ops.layers import Dense
from t2igan.types import NoiseMode

RGB_INIT = 0.1  # standard deviation of an image before training, about


class AdaptiveLayer(nn.Module):
    """3x3 convolution whose kernel each sample mixes from a bank; noise, bias, leaky ReLU times sqrt(2).

    Args:
        in_channels: of the input.
        out_channels: of the output.
        w_dim: length of w.
        kernels: in the bank; 1 = StyleGAN2's modulated convolution, without selection.
        resolution: size of the output; only the constant noise depends on it.
        up: 2 doubles the size.
        noise: add learned-strength noise.
        conv_clamp: largest absolute activation, or None.
    """

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        kernels: int,
        resolution: int,
        up: int = 1,
        noise: bool = True,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up, self.conv_clamp, self.has_noise = up, conv_clamp, noise
        self.affine = Dense(w_dim, in_channels, bias_init=1.0)
        self.select = Dense(w_dim, kernels) if kernels > 1 else None
        self.bank = nn.Parameter(
            torch.randn(kernels * out_channels, in_channels, 3, 3)
        )  # kernel after kernel
        self.bias = nn.Parameter(torch.zeros(out_channels))
        if noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x: Tensor, style: Tensor, selection: Tensor | None, *, noise_mode: NoiseMode) -> Tensor:
        """[N, I, H, W], factors [N, I], selection logits [N, K] or None -> [N, O, H up, W up] in the dtype of x."""
        with torch.autocast(x.device.type, enabled=False):  # kernels are mixed and normalised in float32
            weights = None if selection is None else selection.softmax(dim=1)
            bank = self.bank.unflatten(0, (-1, len(self.bias)))
            y, scale = adaptive_conv2d_and_scale(x, bank, style, weights, up=self.up)
            noise = self._noise(y, noise_mode)
            return bias_act(
                y,
                self.bias,
                scale=y.new_ones(y.shape[:2], dtype=torch.float32) if scale is None else scale,
                noise=noise,
                strength=None if noise is None else self.noise_strength,
                clamp=self.conv_clamp,
            )

    def _noise(self, y: Tensor, noise_mode: NoiseMode) -> Tensor | None:
        """[1 or N, 1, H, W] float32 noise of unit strength for a map, or None."""
        if not self.has_noise or noise_mode == "none":
            return None
        if noise_mode == "const":
            return self.noise_const[None, None]
        n, _, h, w = y.shape
        return torch.randn(n, 1, h, w, device=y.device)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB without demodulation: a resolution's contribution to the image, float32."""

    def __init__(self, in_channels: int, w_dim: int, conv_clamp: float | None) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = Dense(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1) * RGB_INIT)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[N, I, H, W] and [N, I] -> [N, 3, H, W] float32."""
        with torch.autocast(x.device.type, enabled=False):
            scaled = style / math.sqrt(self.weight.shape[1])
            rgb = adaptive_conv2d(x, self.weight[None], scaled, None, demodulate=False).float()
            rgb = rgb + self.bias[:, None, None]
        return rgb if self.conv_clamp is None else rgb.clamp(-self.conv_clamp, self.conv_clamp)
