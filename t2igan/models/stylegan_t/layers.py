"""The layers of a StyleGAN-T synthesis block: style split, convolution, toRGB. Not: how they are wired (synthesis.py)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from t2igan.models.stylegan_t.config import GROUPS
from t2igan.ops.bias_act import bias_act
from t2igan.ops.group_norm import Remake, remakeable_group_norm
from t2igan.ops.layers import Dense
from t2igan.ops.modulated_conv import convolve, demodulation, prenormalize
from t2igan.ops.upfirdn2d import resample_filter
from t2igan.types import NoiseMode


class StyleSplit(nn.Module):
    """w -> style: one dense layer to three chunks, style = s1 * s2 + s3 (second-order style)."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.proj = Dense(w_dim, 3 * channels, bias_init=1.0)

    def forward(self, w: Tensor) -> Tensor:
        """[N, w_dim] -> [N, channels]."""
        s1, s2, s3 = self.proj(w).chunk(3, dim=1)
        return torch.addcmul(s3, s1, s2)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution with noise, bias and leaky ReLU; optionally a residual around a group norm.

    Args:
        in_channels: of the input; a residual layer needs in_channels == out_channels.
        out_channels: of the output.
        w_dim: length of w.
        resolution: size of the output; only the constant noise depends on it.
        up: 2 doubles the size.
        is_residual: out = (GN(x) + gamma * layer(GN(x))) * sqrt(2). The skip carries the normalised x, as upstream.
        noise: add learned-strength noise.
        conv_clamp: largest absolute activation at gain 1, or None.
    """

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,
        up: int = 1,
        is_residual: bool = False,
        noise: bool = True,
        conv_clamp: float | None = 256.0,
    ) -> None:
        super().__init__()
        self.up = up
        self.is_residual = is_residual
        self.has_noise = noise
        self.conv_clamp = conv_clamp
        self.affine = StyleSplit(w_dim, in_channels)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("resample_filter", resample_filter())
        if noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
        if is_residual:
            self.norm = nn.GroupNorm(GROUPS, in_channels)
            self.gamma = nn.Parameter(torch.full((1, out_channels, 1, 1), 1e-5))

    def forward(
        self, x: Tensor, style: Tensor, *, noise_mode: NoiseMode = "const", gain: float = 1.0
    ) -> Tensor:
        """[N, I, H, W] and [N, I] -> [N, O, H up, W up] in the dtype and memory format of x; `gain` as in bias_act."""
        if not self.is_residual:
            return self._convolve(x, style, noise_mode, gain)
        # sqrt(2) rides on the norm's affine and on gamma instead of a pass over the sum.
        x, made_of = self._normalize(x)
        y = self._convolve(x, style, noise_mode, gain, x_gain=math.sqrt(2), made_of=made_of)
        return (y * (self.gamma * math.sqrt(2)).to(y.dtype)).add_(x)

    def _normalize(self, x: Tensor) -> tuple[Tensor, Remake]:
        """sqrt(2) GroupNorm(x), statistics in float32."""
        gain = math.sqrt(2)
        norm = self.norm
        return remakeable_group_norm(x, norm.num_groups, norm.weight * gain, norm.bias * gain, norm.eps)

    def _convolve(
        self,
        x: Tensor,
        style: Tensor,
        noise_mode: NoiseMode,
        gain: float,
        *,
        x_gain: float = 1.0,
        made_of: Remake | None = None,
    ) -> Tensor:
        """The layer without its residual, for an x that is x_gain times too large."""
        weight, style = prenormalize(x, self.weight, style)
        y = convolve(x, style, weight, up=self.up, made_of=made_of)
        noise = self.noise(y, noise_mode)
        return bias_act(
            y,
            self.bias,
            scale=demodulation(weight, style) / x_gain,
            noise=noise,
            strength=None if noise is None else self.noise_strength,
            gain=gain,
            clamp=self.conv_clamp,
        )

    def noise(self, y: Tensor, noise_mode: NoiseMode) -> Tensor | None:
        """[1 or N, 1, H, W] float32 noise of unit strength for a map, or None."""
        if not self.has_noise or noise_mode == "none":
            return None
        if noise_mode == "const":
            return self.noise_const[None, None]
        n, _, h, w = y.shape
        return torch.randn(n, 1, h, w, device=y.device)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB without demodulation: the block's contribution to the image, float32.

    Args:
        in_channels: of the trunk.
        w_dim: length of w.
        rgb_gain: factor on the initial weights.
        conv_clamp: largest absolute value, or None.
        img_channels: of the image.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        w_dim: int,
        rgb_gain: float = 1.0,
        conv_clamp: float | None = 256.0,
        img_channels: int = 3,
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = StyleSplit(w_dim, in_channels)
        self.weight = nn.Parameter(torch.randn(img_channels, in_channels, 1, 1) * (0.1 * rgb_gain))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def style(self, w: Tensor) -> Tensor:
        """[N, w_dim] -> [N, in_channels], scaled for a 1x1 convolution of unit weights."""
        return self.affine(w) / math.sqrt(self.weight.shape[1])

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[N, I, H, W] in any dtype -> [N, img_channels, H, W] float32."""
        n, c, h, w = x.shape
        # Per-sample weights are tiny here, so they take the style: one pass over x and its gradient instead of three
        # (64 x 64 x 32 x 32, forward and backward, one core: 2.6 against 11 ms in bfloat16, 6.8 / 13.5 in float32).
        weight = style[:, :, None] * self.weight[:, :, 0, 0].T  # [N, I, img_channels]
        pixels = x.permute(0, 2, 3, 1).reshape(n, h * w, c)
        rgb = torch.bmm(pixels, weight.to(x.dtype)).float() + self.bias
        if self.conv_clamp is not None:
            rgb = rgb.clamp(-self.conv_clamp, self.conv_clamp)
        return rgb.reshape(n, h, w, -1).permute(0, 3, 1, 2)
