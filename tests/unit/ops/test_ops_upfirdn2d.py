from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal

from t2igan.ops.upfirdn2d import resample_filter, upfirdn2d, upfirdn2d_reference, upsample2d

EXACT = 1e-5  # float32, 16 terms


@pytest.mark.parametrize("up", [1, 2, 3])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1), (1, 1), (3, 0)])
def test_upfirdn2d_equals_scipy_convolution_of_the_stuffed_image(up, padding):
    torch.manual_seed(0)
    x, f = torch.randn(2, 3, 5, 6), torch.randn(4, 4)
    stuffed = np.zeros((5 * up, 6 * up))
    stuffed[::up, ::up] = x[1, 2]
    expected = signal.convolve2d(np.pad(stuffed, (padding, padding)), f.numpy(), mode="valid") * 3
    found = upfirdn2d(x, f, up=up, padding=padding, gain=3)
    np.testing.assert_allclose(found[1, 2], expected, atol=EXACT)


@pytest.mark.parametrize("up", [1, 2])
def test_upfirdn2d_equals_its_step_by_step_reference(up):
    torch.manual_seed(0)
    x, f = torch.randn(2, 3, 5, 6), torch.randn(3, 3)
    reference = upfirdn2d_reference(x, f, up=up, padding=(2, 1), gain=0.5)
    torch.testing.assert_close(
        upfirdn2d(x, f, up=up, padding=(2, 1), gain=0.5), reference, atol=EXACT, rtol=0
    )


def test_upsample2d_is_upfirdn2d_with_the_official_padding():
    x, f = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0)), resample_filter()
    expected = upfirdn2d_reference(x, f, up=2, padding=(2, 1), gain=4)
    torch.testing.assert_close(upsample2d(x, f), expected, atol=EXACT, rtol=0)


def test_upsampling_a_constant_image_keeps_it_away_from_the_border():
    y = upsample2d(torch.ones(1, 1, 6, 6), resample_filter())
    torch.testing.assert_close(y[:, :, 1:-1, 1:-1], torch.ones(1, 1, 10, 10))


def test_the_resample_filter_sums_to_one_and_is_symmetric():
    f = resample_filter()
    assert f.sum() == 1
    assert torch.equal(f, f.flip(0))
    assert torch.equal(f, f.T)


def test_the_image_is_doubled_in_its_own_dtype_under_autocast():
    img, f = torch.randn(1, 3, 8, 8), resample_filter()
    with torch.autocast("cpu", torch.bfloat16):
        doubled = upsample2d(img, f)
    assert doubled.dtype == torch.float32
    assert torch.equal(doubled, upsample2d(img, f))


def test_the_filter_is_the_square_of_one_three_three_one():
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    assert torch.equal(resample_filter(), torch.outer(taps, taps) / 64)
