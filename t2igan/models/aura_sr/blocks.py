"""Convolutions and the residual block of AuraSR. Not: stages, which are stages.py's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.aura_sr.config import AuraSRConfig
from t2igan.ops.adaptive_conv import adaptive_conv2d
from t2igan.ops.shared_kernel import can_share, shared_conv2d


class Conv(nn.Conv2d):
    """An ordinary convolution that keeps the size (or halves it), in the dtype of its input."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2)

    def forward(self, input: Tensor) -> Tensor:
        """[N, I, H, W] -> [N, O, H / stride, W / stride]."""
        assert self.bias is not None
        return self._conv_forward(input, self.weight.to(input.dtype), self.bias.to(input.dtype))


class AdaptiveConv(nn.Module):
    """A 3x3 convolution whose kernel is mixed of `num_kernels`, scaled and normalised as w says; without bias.

    Attributes:
        bank: [K, O, 3, 3, I] kernels; input channels last, as convolutions read them.
        affine: w -> the scale of each input channel less one, then the logits of the K kernels (none where K = 1).
    """

    def __init__(self, in_channels: int, out_channels: int, config: AuraSRConfig) -> None:
        super().__init__()
        num_kernels = config.num_kernels
        self.num_logits = num_kernels if num_kernels > 1 else 0
        bank = torch.empty(num_kernels, out_channels, 3, 3, in_channels)
        self.bank = nn.Parameter(bank.normal_() * (9 * in_channels) ** -0.5)
        self.affine = nn.Linear(config.w_dim, in_channels + self.num_logits)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Maps [N, I, H, W] and w [N or 1, w_dim] -> [N, O, H, W]."""
        told = self.affine(w)
        scale, logits = told.split([told.shape[1] - self.num_logits, self.num_logits], dim=1)
        selection = logits.softmax(dim=1) if self.num_logits else None
        if can_share(x, scale):
            return shared_conv2d(x, self.bank, scale + 1, selection)
        return adaptive_conv2d(x, self.bank.permute(0, 1, 4, 2, 3), scale + 1, selection)


class ResidualBlock(nn.Module):
    """Two adaptive convolutions, each followed by SiLU, added to the input; no norm, no noise."""

    def __init__(self, in_channels: int, out_channels: int, config: AuraSRConfig) -> None:
        super().__init__()
        self.conv1 = AdaptiveConv(in_channels, out_channels, config)
        self.conv2 = AdaptiveConv(out_channels, out_channels, config)
        self.shortcut = None if in_channels == out_channels else Conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Maps [N, I, H, W] and w [N or 1, w_dim] -> [N, O, H, W]."""
        in_place = not torch.is_grad_enabled()
        h = F.silu(self.conv1(x, w), inplace=in_place)
        h = F.silu(self.conv2(h, w), inplace=in_place)
        return h + (x if self.shortcut is None else self.shortcut(x))
