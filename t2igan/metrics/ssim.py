"""Structural similarity of images and their originals. One scale, no automatic shrinking of large images."""

from __future__ import annotations

import torch
from torch import Tensor

from t2igan.errors import UsageError
from t2igan.metrics.psnr import PEAK, trimmed

SIDE, SIGMA = 11, 1.5  # of the Gaussian window, in pixels
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def ssim(img: Tensor, real: Tensor, *, border: int = 0) -> Tensor:
    """[N] float64, at most 1, which equal images have; mean over channels and all places where the window fits.

    Args:
        img: [N, C, H, W], 0 .. 255, of any type.
        real: the originals, of the same shape.
        border: pixels that are left out at each edge.

    Raises:
        UsageError: if less than the window's 11 x 11 px are left.

    Source: Wang et al. 2004, equation 13, with their window (Gaussian 11 x 11, sigma 1.5) and constants (0.01, 0.03);
    checked against SciPy in tests/unit/metrics/test_metrics_super_resolution.py.
    """
    assert img.shape == real.shape, "compare images of one shape"
    x, y = (trimmed(images, border).to(torch.float64) for images in (img, real))
    if min(x.shape[2:]) < SIDE:
        raise UsageError(
            f"SSIM's window is {SIDE} x {SIDE} px, and {x.shape[3]} x {x.shape[2]} px are left of the images. Give "
            "larger ones, or a smaller border."
        )
    mean_x, mean_y, xx, yy, xy = _windowed(torch.stack([x, y, x * x, y * y, x * y]))
    variances = xx - mean_x.square() + yy - mean_y.square()
    covariance = xy - mean_x * mean_y
    alike = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    most = (mean_x.square() + mean_y.square() + C1) * (variances + C2)
    return (alike / most).mean(dim=(1, 2, 3))


def _windowed(maps: Tensor) -> Tensor:
    """[..., H, W] -> Gaussian means [..., H - 10, W - 10]."""
    return _slid(_slid(maps, -1), -2)


def _slid(maps: Tensor, dim: int) -> Tensor:
    """The window along one side, as a sum of shifted maps: a fifth of conv2d's time in float64 on a CPU."""
    length = maps.shape[dim] - SIDE + 1
    first, *others = window().tolist()
    total = maps.narrow(dim, 0, length) * first
    for offset, weight in enumerate(others, start=1):
        total.add_(maps.narrow(dim, offset, length), alpha=weight)
    return total


def window() -> Tensor:
    """[11] float64 weights of a line, which sum to 1; the window is its outer product with itself."""
    offset = torch.arange(SIDE, dtype=torch.float64) - SIDE // 2
    weight = (-offset.square() / (2 * SIGMA**2)).exp()
    return weight / weight.sum()
