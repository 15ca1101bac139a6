"""The fading blur of projected GANs: everything D sees starts blurred. Not: resampling (upfirdn2d.py)."""

from __future__ import annotations

import torch
from torch import Tensor


def blur_sigma(sigma0: float, fade_kimg: float, nimg: int) -> float:
    """Blur after `nimg` images: sigma0 fading linearly to 0 over fade_kimg thousand images; 0 if fade_kimg <= 1."""
    if fade_kimg <= 1:
        return 0.0
    return sigma0 * max(1 - nimg / (fade_kimg * 1000), 0.0)


def gaussian_blur(img: Tensor, sigma: float) -> Tensor:
    """Blur [N, C, H, H] with taps 2^-(i / sigma)^2 for |i| <= 3 sigma, zeros beyond the border.

    The taps are upstream's: the Gaussian's standard deviation is 0.849 sigma, and the border darkens towards grey.
    """
    matrix = blur_matrix(sigma, img.shape[2], device=img.device)
    return img if matrix is None else blur_with(matrix, img)


def blur_matrix(sigma: float, size: int, *, device: torch.device) -> Tensor | None:
    """[size, size] float32 symmetric matrix that blurs a line; None where `sigma` is too small to change anything."""
    radius = int(3 * sigma)
    if radius == 0:
        return None
    i = torch.arange(-radius, radius + 1, device=device, dtype=torch.get_default_dtype())
    taps = torch.exp2(-((i / sigma).square()))
    return _band(taps / taps.sum(), size)


def blur_with(matrix: Tensor, img: Tensor) -> Tensor:
    """Blur [N, C, R, R] in both directions by a `blur_matrix`."""
    with torch.autocast(img.device.type, enabled=False):
        return matrix @ img @ matrix


def _band(taps: Tensor, size: int) -> Tensor:
    """[size, size] symmetric matrix that convolves a line with `taps`; two products beat a 193-tap convolution."""
    i = torch.arange(size, device=taps.device)
    distance = (i[:, None] - i).abs()
    radius = len(taps) // 2
    return torch.where(distance <= radius, taps[(radius + distance).clamp(max=len(taps) - 1)], 0.0)
