from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from t2igan.ops.blur import gaussian_blur
from t2igan.ops.diffaug import NUM_UNIFORMS, cutouts, diff_augment, shifts

ALL = "color,translation,cutout"


def images(n: int = 6, size: int = 32) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def uniforms(n: int = 6) -> torch.Tensor:
    return torch.rand(n, NUM_UNIFORMS, generator=torch.Generator().manual_seed(1))


def test_neutral_numbers_change_neither_colour_nor_place():
    u = torch.full((6, NUM_UNIFORMS), 0.5)
    torch.testing.assert_close(diff_augment(images(), u, "color,translation"), images())


def test_policy_none_returns_the_images():
    assert torch.equal(diff_augment(images(), uniforms(), "none"), images())


@pytest.mark.parametrize("policy", [ALL, "translation,cutout", "translation", "cutout", "color"])
def test_a_batch_is_augmented_like_its_slices(policy):
    whole = diff_augment(images(), uniforms(), policy)
    parts = [diff_augment(images()[i : i + 2], uniforms()[i : i + 2], policy) for i in (0, 2, 4)]
    torch.testing.assert_close(whole, torch.cat(parts))


def test_colour_steps_are_brightness_then_saturation_then_contrast():
    x, u = images(), uniforms()
    b, s, k = (u[:, i, None, None, None] for i in range(3))
    expected = x + (b - 0.5)
    grey = expected.mean(dim=1, keepdim=True)
    expected = (expected - grey) * (s * 2) + grey
    mean = expected.mean(dim=(1, 2, 3), keepdim=True)
    expected = (expected - mean) * (k + 0.5) + mean
    torch.testing.assert_close(diff_augment(x, u, "color"), expected, atol=1e-5, rtol=1e-5)


def test_translation_moves_whole_pixels_and_fills_with_grey():
    x, u = images(1), torch.full((1, NUM_UNIFORMS), 0.5)
    u[:, 3], u[:, 4] = 0.0, 0.999  # 4 pixels to the right, 4 up
    y = diff_augment(x, u, "translation")
    assert torch.equal(y[:, :, :-4, 4:], x[:, :, 4:, :-4])
    assert not y[:, :, -4:].any()
    assert not y[:, :, :, :4].any()


def test_shifts_are_uniform_over_an_eighth_of_the_size_both_ways():
    u = (torch.arange(9) + 0.5) / 9
    assert shifts(u, 32).tolist() == [-4, -3, -2, -1, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(("size", "side", "last"), [(32, 6, 29), (64, 13, 57), (8, 2, 7), (256, 51, 230)])
def test_cutout_squares_have_a_fifth_of_the_side_and_reach_over_both_borders_alike(size, side, last):
    start, found = cutouts(torch.tensor([0.0, 0.9999]), size)
    assert found == side
    assert start.tolist() == [-(side // 2), last]
    assert last + side - size == side // 2  # as far out on this side as on the other


def test_cutout_blanks_one_square_and_nothing_else():
    x, u = torch.ones(1, 3, 32, 32), torch.full((1, NUM_UNIFORMS), 0.5)
    y = diff_augment(x, u, "cutout")
    assert (y == 0).sum() == 3 * 6 * 6
    assert not y[:, :, 13:19, 13:19].any()


def test_gradient_reaches_exactly_the_pixels_that_survive():
    x = images(1).requires_grad_()
    u = torch.full((1, NUM_UNIFORMS), 0.5)
    u[:, 3] = 0.0
    diff_augment(x, u, "translation").sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x).index_fill(3, torch.arange(28, 32), 0))


def test_blur_is_a_separable_convolution_with_zeros_beyond_the_border():
    x, sigma = images(2, 16), 1.7
    i = np.arange(-5, 6)
    taps = 2.0 ** -((i / sigma) ** 2)
    taps /= taps.sum()
    expected = ndimage.convolve1d(x.numpy(), taps, axis=2, mode="constant")
    expected = ndimage.convolve1d(expected, taps, axis=3, mode="constant")
    np.testing.assert_allclose(gaussian_blur(x, sigma), expected, atol=1e-5)
