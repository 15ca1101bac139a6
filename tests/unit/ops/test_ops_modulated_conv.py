from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from t2igan.ops.modulated_conv import convolve, demodulation, modulated_conv2d
from t2igan.ops.upfirdn2d import resample_filter, upfirdn2d_reference

EXACT = 2e-5  # float32, sums of 45 terms of order 1


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_conv_equals_one_convolution_a_sample_with_its_own_weights(up, demodulate):
    x, weight, style = draw(3, 5, 6, 6), draw(4, 5, 3, 3, seed=1), draw(3, 5, seed=2)
    expected = []
    for sample, s in zip(x, style, strict=True):
        own = weight * s[:, None, None]
        if demodulate:
            own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected.append(convolve(sample[None], torch.ones(1, 5), own, up=up))
    found = modulated_conv2d(x, weight, style, up=up, demodulate=demodulate)
    torch.testing.assert_close(found, torch.cat(expected), atol=EXACT, rtol=1e-5)


def test_up_convolution_is_zero_stuffing_low_pass_and_true_convolution():
    x, weight = draw(2, 5, 6, 7), draw(4, 5, 3, 3, seed=1)
    stuffed = upfirdn2d_reference(x, resample_filter(), up=2, padding=(3, 2), gain=4)
    expected = F.conv2d(stuffed, weight.flip(2, 3))
    found = convolve(x, torch.ones(x.shape[:2]), weight, up=2)
    assert found.shape == (2, 4, 12, 14)
    torch.testing.assert_close(found, expected, atol=EXACT, rtol=1e-5)


def test_demodulation_does_not_care_how_large_the_style_is():
    x, weight, style = draw(2, 5, 6, 6), draw(4, 5, 3, 3, seed=1), draw(2, 5, seed=2)
    found = modulated_conv2d(x, weight, style * 100)
    torch.testing.assert_close(found, modulated_conv2d(x, weight, style), atol=EXACT, rtol=1e-5)


def test_demodulated_weights_have_unit_norm():
    weight, style = draw(4, 5, 3, 3), draw(2, 5, seed=1)
    own = weight * style[:, None, :, None, None] * demodulation(weight, style)[:, :, None, None, None]
    torch.testing.assert_close(own.square().sum(dim=(2, 3, 4)), torch.ones(2, 4))


@pytest.mark.parametrize("up", [1, 2])
def test_modulated_conv_keeps_dtype_and_channels_last(up):
    x = draw(2, 8, 6, 6).bfloat16().contiguous(memory_format=torch.channels_last)
    weight, style = draw(8, 8, 3, 3, seed=1), draw(2, 8, seed=2)
    y = modulated_conv2d(x, weight, style, up=up)
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
    exact = modulated_conv2d(x.float(), weight, style, up=up)
    assert (y.float() - exact).abs().max() < 0.02 * exact.abs().max()  # 8 bits of mantissa, three roundings


def test_half_precision_survives_weights_and_styles_that_would_overflow():
    x, weight, style = draw(2, 8, 6, 6).half(), draw(4, 8, 3, 3, seed=1) * 3e4, draw(2, 8, seed=2) * 3e4
    y = modulated_conv2d(x, weight, style)
    assert y.isfinite().all()
    exact = modulated_conv2d(x.float(), weight, style)
    torch.testing.assert_close(y.float(), exact, atol=0.01, rtol=0.01)  # 11 bits of mantissa
