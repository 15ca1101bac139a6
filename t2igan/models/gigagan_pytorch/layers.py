"""Layers of gigagan-pytorch's generator: adaptive convolution, toRGB, doubling, squeeze and excitation. Not: their wiring."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.ops.adaptive_conv import adaptive_conv2d
from t2igan.ops.layers import SLOPE
from t2igan.types import NoiseMode

MIN_HIDDEN, REDUCTION = 32, 4  # of squeeze and excitation


class AdaptiveConv(nn.Module):
    """A convolution whose kernel each sample mixes of a bank; w gives factors of input channels and logits of kernels.

    Attributes:
        bank: [K O, I, k, k], kernel after kernel.
        affine: w -> the factor of each input channel less one, then the logits of the K kernels (none where K = 1).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        *,
        kernels: int,
        kernel_size: int = 3,
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.kernels, self.demodulate = in_channels, kernels, demodulate
        gain = (2 / (in_channels * kernel_size**2)) ** 0.5
        bank = torch.randn(kernels * out_channels, in_channels, kernel_size, kernel_size)
        self.bank = nn.Parameter(bank * gain)
        self.affine = nn.Linear(w_dim, in_channels + (kernels if kernels > 1 else 0))

    def styles(self, w: Tensor) -> tuple[Tensor, Tensor | None]:
        """[N, w_dim] -> factors [N, I], and logits [N, K] or None."""
        told = self.affine(w)
        logits = told[:, self.in_channels :] if self.kernels > 1 else None
        return told[:, : self.in_channels] + 1, logits

    def forward(self, x: Tensor, style: Tensor, logits: Tensor | None) -> Tensor:
        """[N, I, H, W] -> [N, O, H, W] in the dtype of x."""
        with torch.autocast(x.device.type, enabled=False):  # kernels are mixed and normalised in float32
            selection = None if logits is None else logits.softmax(dim=1)
            bank = self.bank.unflatten(0, (self.kernels, -1))
            return adaptive_conv2d(x, bank, style, selection, demodulate=self.demodulate)


class NoisyConv(AdaptiveConv):
    """The same, then noise with a learned strength for each channel, and a leaky ReLU."""

    noise_const: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, *, kernels: int, resolution: int, seed: int
    ) -> None:
        super().__init__(in_channels, out_channels, w_dim, kernels=kernels)
        self.noise_strength = nn.Parameter(torch.zeros(out_channels))
        # the port draws noise anew in every call and stores none, so what is constant here comes from a seed
        drawn = torch.randn(
            1,
            1,
            resolution,
            resolution,
            generator=torch.Generator().manual_seed(seed),
            device="cpu",
        )
        self.register_buffer("noise_const", drawn, persistent=False)

    def forward(
        self, x: Tensor, style: Tensor, logits: Tensor | None, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """[N, I, H, W] -> [N, O, H, W] in the dtype of x."""
        y = super().forward(x, style, logits)
        if noise_mode != "none":
            noise = self.noise_const
            if noise_mode == "random":
                noise = torch.randn(len(y), *noise.shape[1:], device=y.device)
            y = y + (noise * self.noise_strength[:, None, None]).to(y.dtype)
        return F.leaky_relu(y, SLOPE)


class Excitation(nn.Module):
    """A map's means -> a factor between 0 and 1 for each channel of a later map."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        hidden = max(out_channels // REDUCTION, MIN_HIDDEN)
        self.squeeze = nn.Linear(in_channels, hidden)
        self.excite = nn.Linear(hidden, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] -> [N, O, 1, 1] in the dtype of x."""
        means = x.mean(dim=(2, 3))
        return self.excite(F.silu(self.squeeze(means))).sigmoid().to(x.dtype)[:, :, None, None]


def blur_taps(device: torch.device | None = None) -> Tensor:
    """The filter along one side, [1, 2, 1], to be divided by 4. Nothing is copied to the device."""
    i = torch.arange(3, dtype=torch.float32, device=device)
    return 1 + i * (2 - i)


class BlurUp(nn.Module):
    """Doubles a map: bilinear, then a 3x3 blur that mirrors at the border; nothing is learned."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 2 H, 2 W]."""
        channels, taps = x.shape[1], blur_taps(x.device).to(x.dtype)
        y = F.pad(F.interpolate(x, scale_factor=2, mode="bilinear"), (1, 1, 1, 1), mode="reflect")
        kernel = torch.outer(taps, taps) / taps.sum().square()
        return F.conv2d(y, kernel.expand(channels, 1, 3, 3).contiguous(), groups=channels)


class ShuffleUp(nn.Module):
    """Doubles a map: a 1x1 convolution to four times the channels, SiLU, and each four channels become 2 x 2 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 2 H, 2 W]."""
        return F.pixel_shuffle(F.silu(self.conv(x).to(x.dtype)), 2)
