"""Bias, leaky ReLU, gain and clamp of a synthesis layer in as few passes as possible. Not: the convolution before it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from t2igan.ops.layers import SLOPE


def bias_act(
    x: Tensor,
    bias: Tensor,
    *,
    scale: Tensor | None = None,
    noise: Tensor | None = None,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Tensor:
    """clamp(lrelu(x scale + noise + bias) sqrt(2) gain, +- clamp gain).

    Args:
        x: [N, C, H, W] in any dtype; the result has the same.
        bias: [C].
        scale: [N, C] factor before the bias (demodulation), or None.
        noise: broadcastable to [N, 1, H, W], or None.
        gain: factor on the activation, which also scales the clamp.
        clamp: largest absolute value at gain 1, or None.
    """
    # lrelu(g v) = g lrelu(v) for g > 0, so the gain rides on scale, noise and bias and costs no pass of its own.
    g = math.sqrt(2) * gain
    shift = (bias * g).to(x.dtype)[:, None, None]
    if scale is None:
        y = torch.add(shift, x, alpha=g)
    else:
        y = torch.addcmul(shift, x, (scale * g).to(x.dtype)[:, :, None, None])
    if noise is not None:
        y = y + (noise * g).to(x.dtype)
    y = F.leaky_relu_(y, SLOPE)
    return y if clamp is None else y.clamp(-clamp * gain, clamp * gain)
