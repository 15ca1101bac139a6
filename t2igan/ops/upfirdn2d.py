"""FIR resampling of images and feature maps. Not: the blur of the training schedule (blur.py)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def resample_filter(device: torch.device | None = None) -> Tensor:
    """The 4x4 low-pass filter of the StyleGANs, outer([1, 3, 3, 1]) / 64; sums to 1. Nothing is copied to the device."""
    i = torch.arange(4, dtype=torch.float32, device=device)
    taps = 1 + i * (3 - i)
    return torch.outer(taps, taps) / 64


def upfirdn2d(
    x: Tensor, f: Tensor, *, up: int = 1, padding: tuple[int, int] = (0, 0), gain: float = 1.0
) -> Tensor:
    """Insert zeros, pad, and convolve every channel with one filter.

    Args:
        x: [N, C, H, W].
        f: [h, w] filter; a true convolution, so it is flipped.
        up: every value is followed by up - 1 zeros, in both directions.
        padding: zeros before and after, in both directions, counted after the zeros of `up` are in.
        gain: factor on the result.

    Returns:
        [N, C, H * up + sum(padding) - h + 1, W * up + sum(padding) - w + 1], in the memory format of x.

    Source: upsample-FIR-downsample of Karras et al. 2019/2020; equal to scipy.signal in tests/unit/ops.
    """
    channels = x.shape[1]
    weight = (f * gain).to(x.dtype)
    if up == 1:
        weight = weight.flip(0, 1).expand(channels, 1, *f.shape).contiguous()
        if (
            padding[0] == padding[1]
        ):  # inside the convolution it is free; F.pad doubled the time of a 4x4 FIR on a CPU
            return _Fir.apply(x, weight, padding[0])  # pyright: ignore[reportReturnType]
        return F.conv2d(F.pad(x, (*padding, *padding)), weight, groups=channels)
    # A transposed convolution is zero-stuffing and filtering at once; cropping its full result pads by h - 1 - crop.
    weight = weight.expand(channels, 1, *f.shape).contiguous()
    y = F.conv_transpose2d(x, weight, stride=up, groups=channels)  # [N, C, (H - 1) up + h, ...]
    return _crop_or_pad(y, f, up=up, padding=padding)


class _Fir(torch.autograd.Function):
    """Depth-wise convolution with a fixed filter: linear, so the gradient needs no input, which conv2d would keep."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.padding = padding
        return F.conv2d(x, weight, padding=padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        inner = weight.shape[-1] - 1 - ctx.padding  # of the transposed convolution, as a plain one
        flipped = weight.flip(2, 3)
        return _Fir.apply(grads[0], flipped, inner), None, None  # pyright: ignore[reportReturnType]


def _crop_or_pad(y: Tensor, f: Tensor, *, up: int, padding: tuple[int, int]) -> Tensor:
    """Turn the full convolution, which has padding (h - 1, h - up), into the one with `padding`."""
    (h, w), (before, after) = f.shape, padding
    return F.pad(y, (before - w + 1, after - w + up, before - h + 1, after - h + up))


def upfirdn2d_reference(
    x: Tensor, f: Tensor, *, up: int = 1, padding: tuple[int, int] = (0, 0), gain: float = 1.0
) -> Tensor:
    """`upfirdn2d`, step by step as its definition says; slow, for tests and readers."""
    n, c, h, w = x.shape
    stuffed = x.new_zeros(n, c, h * up, w * up)
    stuffed[:, :, ::up, ::up] = x
    padded = F.pad(stuffed, (*padding, *padding)).reshape(
        n * c, 1, h * up + sum(padding), w * up + sum(padding)
    )
    y = F.conv2d(padded, f.flip(0, 1)[None, None].to(x.dtype))
    return y.reshape(n, c, *y.shape[2:]) * gain


def upsample2d(img: Tensor, f: Tensor) -> Tensor:
    """Double the size of [N, C, H, W] with the 4x4 filter `f`; what carries the RGB image from block to block.

    In the image's own dtype under autocast, too: bfloat16 would round it anew at every size.
    """
    channels = img.shape[1]
    # padding=1 crops the transposed convolution's full result at once: the same as upfirdn2d(up=2, padding=(2, 1)).
    weight = (f * 4).to(img.dtype).expand(channels, 1, 4, 4).contiguous()
    with torch.autocast(img.device.type, enabled=False):
        return F.conv_transpose2d(img, weight, stride=2, padding=1, groups=channels)
