"""A synthesis layer as the official code computes it: per-sample weights in a grouped convolution, torch's own operations.

The yardstick of `t2igan bench train --plain` and of tests; the same numbers as layers.py to rounding. Nothing trains with it.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.stylegan_t.layers import SynthesisLayer
from t2igan.ops.bias_act import bias_act_reference
from t2igan.ops.modulated_conv import EPSILON
from t2igan.ops.upfirdn2d import upfirdn2d
from t2igan.types import NoiseMode


def use_plain_layers(network: nn.Module) -> None:
    """Let every synthesis layer of a generator compute the plain way from now on."""
    for layer in network.modules():
        if isinstance(layer, SynthesisLayer):
            layer.forward = partial(plain_layer, layer)


def plain_layer(
    layer: SynthesisLayer, x: Tensor, style: Tensor, *, noise_mode: NoiseMode = "const", gain: float = 1.0
) -> Tensor:
    """What `layer(x, style, ...)` gives, by spec 5.1 word by word."""
    if not layer.is_residual:
        return _convolve(layer, x, style, noise_mode, gain)
    norm = layer.norm
    x = F.group_norm(x.float(), norm.num_groups, norm.weight, norm.bias, norm.eps).to(x.dtype)
    y = _convolve(layer, x, style, noise_mode, gain)
    return (x + layer.gamma.to(x.dtype) * y) * math.sqrt(2)


def _convolve(layer: SynthesisLayer, x: Tensor, style: Tensor, noise_mode: NoiseMode, gain: float) -> Tensor:
    y = grouped_modulated_conv(x, layer.weight, style, resample=layer.resample_filter, up=layer.up)
    noise = layer.noise(y, noise_mode)
    return bias_act_reference(
        y,
        layer.bias.to(y.dtype),
        scale=torch.ones(y.shape[:2], dtype=y.dtype, device=y.device),
        noise=None if noise is None else noise.to(y.dtype),
        strength=None if noise is None else layer.noise_strength.to(y.dtype),
        gain=gain,
        clamp=layer.conv_clamp,
    )


def grouped_modulated_conv(x: Tensor, weight: Tensor, style: Tensor, *, resample: Tensor, up: int) -> Tensor:
    """Modulated convolution with N sets of weights [N, O, I, k, k] and groups = N (spec 2.3, the fused order)."""
    n, channels, height, width = x.shape
    weights = weight[None] * style[:, None, :, None, None]  # [N, O, I, k, k]
    weights = weights * (weights.square().sum(dim=(2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    flat = x.reshape(1, n * channels, height, width)
    if up == 1:
        own = weights.to(x.dtype).flatten(0, 1)
        y = F.conv2d(flat, own, padding=weight.shape[-1] // 2, groups=n)
        return y.reshape(n, -1, *y.shape[2:])
    own = weights.to(x.dtype).transpose(1, 2).flatten(0, 1)  # [N I, O, k, k]
    y = F.conv_transpose2d(flat, own, stride=2, groups=n)
    return upfirdn2d(y.reshape(n, -1, *y.shape[2:]), resample, padding=(1, 1), gain=4)
