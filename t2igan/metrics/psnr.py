"""Peak signal-to-noise ratio of images and their originals, in colour or in brightness. Not how images were prepared."""

from __future__ import annotations

import torch
from torch import Tensor

from t2igan.errors import UsageError

PEAK = 255.0
LUMA = (65.481, 128.553, 24.966)  # of red, green and blue in 0 .. 1; white is 235
BLACK = 16.0


def psnr(img: Tensor, real: Tensor, *, border: int = 0) -> Tensor:
    """[N] float64 decibels, higher is more alike; infinite where an image is its original bit for bit.

    Args:
        img: [N, C, H, W], 0 .. 255, of any type.
        real: the originals, of the same shape.
        border: pixels that are left out at each edge.

    Raises:
        UsageError: if the border leaves nothing.
    """
    return decibels(squared_error(img, real, border=border))


def squared_error(img: Tensor, real: Tensor, *, border: int = 0) -> Tensor:
    """[N] float64 mean over channels and pixels of the squared difference, for `decibels`. Arguments as of `psnr`."""
    assert img.shape == real.shape, "compare images of one shape"
    apart = trimmed(img, border).to(torch.float64) - trimmed(real, border).to(torch.float64)
    return apart.square().mean(dim=(1, 2, 3))


def decibels(error: Tensor) -> Tensor:
    """Squared errors -> 10 log10(255^2 / error), float64; of 0 infinite."""
    return 10 * (PEAK**2 / error.to(torch.float64)).log10()


def luma(images: Tensor) -> Tensor:
    """Brightness [N, 1, H, W] float64, 16 .. 235, of RGB images [N, 3, H, W], 0 .. 255; not rounded.

    Source: ITU-R BT.601 in studio range, the Y of MATLAB's rgb2ycbcr, by which papers on super-resolution measure.
    """
    weight = torch.tensor(LUMA, dtype=torch.float64, device=images.device)[:, None, None] / PEAK
    return (images.to(torch.float64) * weight).sum(dim=1, keepdim=True) + BLACK


def trimmed(images: Tensor, border: int) -> Tensor:
    """[N, C, H - 2 border, W - 2 border].

    Raises:
        UsageError: if nothing is left.
    """
    height, width = images.shape[2:]
    if border < 0 or min(height, width) <= 2 * border:
        raise UsageError(
            f"a border of {border} px leaves nothing of {width} x {height} px. Give a smaller one."
        )
    return images[:, :, border : height - border, border : width - border]
