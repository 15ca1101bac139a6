"""Convolution of a scaled input that keeps the input, not the scaled copy, for its gradient. Not: demodulation or bias."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from t2igan.ops.group_norm import Remake, remake
from t2igan.ops.layers import channel_sums


def scaled_conv(
    x: Tensor, scale: Tensor, weight: Tensor, *, up: int = 1, made_of: Remake | None = None
) -> Tensor:
    """Convolve x * scale: "same" convolution, or with up=2 the stride-2 transposed one; no second derivative.

    Autograd of the plain formula keeps x * scale for the weight's gradient although x is kept anyhow, by whatever made
    it. Making it again in the backward pass costs one pass over the map and saves one map a layer; with `made_of` x itself
    is not kept either.

    Args:
        x: [N, I, H, W].
        scale: [N, I] in the dtype of x.
        weight: [O, I, k, k] in the dtype of x, odd k; with up=2, k must be 3.
        up: 1, or 2 for [N, O, 2H + 1, 2W + 1].
        made_of: what x can be made of again, as from `remakeable_group_norm`.
    """
    return _ScaledConv.apply(x, scale, weight, up, made_of)  # pyright: ignore[reportReturnType]


class _ScaledConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, weight: Tensor, up: int, made_of: Remake | None
    ) -> Tensor:
        ctx.up = up
        ctx.save_for_backward(scale, weight, *(made_of or (x,)))
        scaled = x * scale[:, :, None, None]
        if up == 1:
            return F.conv2d(scaled, weight, padding=weight.shape[-1] // 2)
        return F.conv_transpose2d(scaled, weight.transpose(0, 1), stride=2)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        scale, weight, *kept = ctx.saved_tensors
        x = kept[0] if len(kept) == 1 else remake((kept[0], kept[1], kept[2]))
        is_up, k = ctx.up == 2, weight.shape[-1]
        s = scale[:, :, None, None]
        scaled_grad, weight_grad, _ = torch.ops.aten.convolution_backward(
            grads[0],
            x * s,
            weight.transpose(0, 1) if is_up else weight,
            None,
            [2, 2] if is_up else [1, 1],
            [0, 0] if is_up else [k // 2, k // 2],
            [1, 1],
            is_up,
            [0, 0],
            1,
            [True, ctx.needs_input_grad[2], False],
        )
        if weight_grad is not None and is_up:
            weight_grad = weight_grad.transpose(0, 1)
        scale_grad = channel_sums(scaled_grad * x, scale.dtype)
        return scaled_grad.mul_(s), scale_grad, weight_grad, None, None
