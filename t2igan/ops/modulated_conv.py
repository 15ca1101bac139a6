"""Modulated convolution of the StyleGANs, and its demodulation. Not: styles, noise, bias or activation."""

from __future__ import annotations

import torch
from torch import Tensor

from t2igan.ops.group_norm import Remake
from t2igan.ops.scaled_conv import scaled_conv
from t2igan.ops.upfirdn2d import resample_filter, upfirdn2d

EPSILON = 1e-8  # below the root of the demodulation


def modulated_conv2d(
    x: Tensor, weight: Tensor, style: Tensor, *, up: int = 1, demodulate: bool = True
) -> Tensor:
    """Convolve each sample with its own weights, weight * style, normalised to unit output variance.

    Args:
        x: [N, I, H, W] in the dtype of the convolution.
        weight: [O, I, k, k], float32, odd k; the map keeps its size (padding k // 2).
        style: [N, I], float32.
        up: 2 doubles the size: zeros between the values, weight, then the FIR low-pass (k must be 3).
        demodulate: divide each sample's weights by their norm over (I, k, k).

    Returns:
        [N, O, H * up, W * up] in the dtype of x.

    Source: Karras et al. 2020 (StyleGAN2), section 2.2 and appendix B.
    """
    if not demodulate:
        return convolve(x, style, weight, up=up)
    weight, style = prenormalize(x, weight, style)
    y = convolve(x, style, weight, up=up)
    return y * _per_channel(demodulation(weight, style), y)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """[N, O] factors 1 / |weight[o] * style[n]|, in float32."""
    # sum_ik (W s)^2 = (sum_k W^2) . s^2: one small product instead of N copies of the weights.
    energy = weight.square().sum(dim=(2, 3))  # [O, I]
    return (style.square() @ energy.T + EPSILON).rsqrt()


def prenormalize(x: Tensor, weight: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Shrink weight and style where float16 would overflow; demodulation takes the factors out again."""
    if x.dtype != torch.float16:
        return weight, style
    fan_in = weight[0].numel()
    weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * fan_in**0.5)
    return weight, style / style.abs().amax(dim=1, keepdim=True)


def convolve(
    x: Tensor, style: Tensor, weight: Tensor, *, up: int = 1, made_of: Remake | None = None
) -> Tensor:
    """Ordinary "same" convolution of x * style, or with up=2 the up-sampling one, in the dtype of x.

    `made_of` says what x can be made of again, so that training need not keep it.

    The unfused order: input scaled by style, ONE ordinary convolution, output scaled by the demodulation. Per-sample
    weights and a grouped convolution (the official order) give the same numbers, in 1.4 times the time and twice the
    memory when training.
    """
    y = scaled_conv(x, style.to(x.dtype), weight.to(x.dtype), up=up, made_of=made_of)
    if up == 1:
        return y
    # Transposed convolution, then depth-wise FIR. Folding the FIR into the weight (one convolution to 4 O
    # channels and a pixel shuffle) does 4 times the work; forward and backward of 64 x 128 x 8 x 8 -> 64 channels on one core:
    # 19 against 48 ms in float32, 7.9 against 15 ms in bfloat16; 16 -> 32 px: 66 / 178 and 23 / 37 ms.
    return upfirdn2d(y, resample_filter(x.device), padding=(1, 1), gain=4)


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, :, None, None]
