"""PSNR and SSIM: known answers, and SciPy's filters as an independent way to the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d, gaussian_filter
from torch import Tensor

from t2igan.errors import UsageError
from t2igan.metrics.psnr import decibels, luma, psnr, squared_error
from t2igan.metrics.ssim import C1, C2, ssim, window


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def blurred(images: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(gaussian_filter(images.numpy().astype(np.float64), (0, 0, sigma, sigma)))


def ssim_by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """Two planes [H, W]; SciPy's Gaussian cut at 5 pixels is the window of 11, and the rim that it mirrors is cut off."""

    def mean(plane: np.ndarray) -> np.ndarray:
        return gaussian_filter(plane, 1.5, radius=5)[5:-5, 5:-5]

    x, y = x.astype(np.float64), y.astype(np.float64)
    var_x, var_y = mean(x * x) - mean(x) ** 2, mean(y * y) - mean(y) ** 2
    cov = mean(x * y) - mean(x) * mean(y)
    brightness = (2 * mean(x) * mean(y) + C1) / (mean(x) ** 2 + mean(y) ** 2 + C1)
    structure = (2 * cov + C2) / (var_x + var_y + C2)
    return float(np.mean(brightness * structure))


def test_a_constant_difference_of_one_grey_level_is_48_decibels():
    img = torch.full((2, 3, 8, 8), 100)
    assert psnr(img, img + 1).tolist() == pytest.approx([20 * math.log10(255)] * 2, rel=1e-15)
    assert psnr(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 255)).item() == 0


def test_an_image_is_infinitely_like_itself_and_its_similarity_is_one():
    img = noise(2, 3, 20, 24)
    assert psnr(img, img).tolist() == [math.inf, math.inf]
    assert ssim(img, img).tolist() == pytest.approx([1, 1], abs=1e-14)
    assert decibels(squared_error(img, img)).tolist() == [math.inf, math.inf]


def test_bytes_do_not_overflow_in_differences():
    assert squared_error(noise(1, 3, 8, 8), noise(1, 3, 8, 8, seed=1)).item() == pytest.approx(
        ((noise(1, 3, 8, 8).double() - noise(1, 3, 8, 8, seed=1).double()) ** 2).mean().item()
    )


def test_what_lies_in_the_border_counts_nothing():
    img, real = noise(1, 3, 30, 26), noise(1, 3, 30, 26, seed=1)
    other = img.clone()
    other[:, :, 3:-3, 3:-3] = 0
    touched = img.clone()
    touched[:, :, :3] = touched[:, :, -3:] = touched[:, :, :, :3] = touched[:, :, :, -3:] = 7
    for metric in (psnr, ssim):
        assert metric(touched, real, border=3) == metric(img, real, border=3)
        assert metric(other, real, border=3) != metric(img, real, border=3)
        assert metric(img, real, border=3) == metric(img[:, :, 3:-3, 3:-3], real[:, :, 3:-3, 3:-3])


def test_brightness_is_matlabs():
    colours = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]])
    found = luma(colours[:, :, None, None]).flatten().tolist()
    assert found == pytest.approx([16, 235, 16 + 65.481, 16 + 128.553, 16 + 24.966], abs=1e-12)


def test_the_window_is_a_gaussian_of_sigma_one_and_a_half():
    impulse = np.zeros(31)
    impulse[15] = 1
    assert window().numpy() == pytest.approx(gaussian_filter(impulse, 1.5, radius=5)[10:21], abs=1e-15)
    assert convolve1d(np.ones(31), window().numpy()) == pytest.approx(np.ones(31))


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_similarity_is_what_scipys_filter_gives(sigma: float):
    real = noise(2, 3, 33, 41)
    img = (blurred(real, sigma) + 10).clamp(0, 255)
    expected = [
        np.mean([ssim_by_scipy(a, b) for a, b in zip(x, y, strict=True)])
        for x, y in zip(img.numpy(), real.numpy(), strict=True)
    ]
    assert ssim(img, real).tolist() == pytest.approx(expected, abs=1e-12)


def test_more_blur_and_more_noise_are_worse():
    real = blurred(noise(1, 3, 64, 64), 1.0)
    for worse in (
        [blurred(real, sigma) for sigma in (0.5, 1.0, 2.0, 4.0)],
        [real + strength * (noise(1, 3, 64, 64, seed=2) - 127.5) for strength in (0.05, 0.1, 0.2, 0.4)],
    ):
        for metric in (psnr, ssim):
            values = [metric(img, real).item() for img in worse]
            assert values == sorted(values, reverse=True)
            assert len(set(values)) == 4


def test_unrelated_noise_is_not_similar_and_a_negative_is_less_than_that():
    real = noise(1, 1, 64, 64)
    assert abs(ssim(noise(1, 1, 64, 64, seed=3), real).item()) < 0.05
    assert ssim(255 - real.int(), real).item() < -0.5


@pytest.mark.parametrize(("metric", "side", "border"), [(psnr, 8, 4), (ssim, 10, 0), (ssim, 16, 3)])
def test_too_little_of_an_image_is_refused(metric, side: int, border: int):
    img = noise(1, 3, side, side)
    with pytest.raises(UsageError, match="border"):
        metric(img, img, border=border)
