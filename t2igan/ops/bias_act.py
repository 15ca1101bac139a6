"""Demodulation, noise, bias, leaky ReLU, gain and clamp of a synthesis layer in few passes. Not: the convolution."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from t2igan.ops.layers import SLOPE, channel_sums


def bias_act(
    x: Tensor,
    bias: Tensor,
    *,
    scale: Tensor,
    noise: Tensor | None = None,
    strength: Tensor | None = None,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Tensor:
    """clamp(lrelu(x scale + noise strength + bias) sqrt(2) gain, +- clamp gain).

    Args:
        x: [N, C, H, W] in any dtype; the result has the same dtype and memory format.
        bias: [C].
        scale: [N, C] positive factor before noise and bias (demodulation).
        noise: [1 or N, 1, H, W], which gets no gradient, or None.
        strength: [] factor on the noise; given exactly if noise is.
        gain: positive factor on the activation, which also scales the clamp.
        clamp: largest absolute value at gain 1, or None.
    """
    # lrelu(g v) = g lrelu(v) for g > 0, so the gain rides on scale, noise and bias and costs no pass of its own.
    g = math.sqrt(2) * gain
    limit = None if clamp is None else clamp * gain
    if strength is not None:
        strength = strength * g
    return _BiasAct.apply(x, bias * g, scale * g, noise, strength, limit)  # pyright: ignore[reportReturnType]


def bias_act_reference(
    x: Tensor,
    bias: Tensor,
    *,
    scale: Tensor,
    noise: Tensor | None = None,
    strength: Tensor | None = None,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Tensor:
    """`bias_act` as its definition says, for tests and readers."""
    y = x * scale[:, :, None, None] + bias[:, None, None]
    if noise is not None and strength is not None:
        y = y + noise * strength
    y = F.leaky_relu(y, SLOPE) * math.sqrt(2) * gain
    return y if clamp is None else y.clamp(-clamp * gain, clamp * gain)


class _BiasAct(torch.autograd.Function):
    """clamp(lrelu(x scale + bias + noise strength)), mostly in place, keeping nothing but its output.

    64 x 64 x 32 x 32 with clamp, channels last, forward + backward on one busy core: autograd of the reference takes
    15 + 30 ms in float32 and 10 + 22 ms in bfloat16, this 6 + 14 and 6 + 10 ms.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        bias: Tensor,
        scale: Tensor,
        noise: Tensor | None,
        strength: Tensor | None,
        limit: float | None,
    ) -> Tensor:
        shift = bias[:, None, None]
        if noise is not None and strength is not None and len(noise) == 1:
            shift = shift + noise * strength  # one row for the whole batch, so it saves a pass
            if x.is_contiguous(memory_format=torch.channels_last):
                shift = shift.contiguous(memory_format=torch.channels_last)
        y = torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype)[:, :, None, None])
        if noise is not None and strength is not None and len(noise) > 1:
            y.add_((noise * strength).to(x.dtype))
        y = F.leaky_relu_(y, SLOPE)
        if limit is not None:
            y = F.hardtanh_(y, -limit, limit)
        ctx.limit = limit
        ctx.save_for_backward(y, bias, scale, noise, strength)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        y, bias, scale, noise, strength = ctx.saved_tensors
        grad = grads[0]
        if ctx.limit is not None:
            grad = torch.ops.aten.hardtanh_backward(grad, y, -ctx.limit, ctx.limit)
        g = torch.ops.aten.leaky_relu_backward(
            grad, y, SLOPE, True
        )  # for u = x scale + bias + noise strength
        sum_g = channel_sums(g, bias.dtype)  # [N, C]
        # lrelu is homogeneous, so grad y = g u: the convolution's output x need not be kept for the gradient of scale,
        # sum g x = (sum g u - sum g bias - sum g noise strength) / scale.
        sum_gx = channel_sums(grad * y, bias.dtype) - sum_g * bias
        grad_strength = None
        if noise is not None:
            per_channel = (g.flatten(2) @ noise.to(g.dtype).flatten(2).transpose(1, 2))[:, :, 0].to(
                bias.dtype
            )
            sum_gx = sum_gx - per_channel * strength
            grad_strength = per_channel.sum()
        grad_x = g * scale.to(g.dtype)[:, :, None, None]
        return grad_x, sum_g.sum(dim=0), sum_gx / scale, None, grad_strength, None
