"""The quick convolution for one style gives the numbers of the general one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from t2igan.ops.adaptive_conv import adaptive_conv2d
from t2igan.ops.shared_kernel import can_share, shared_conv2d, shared_kernel


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(
    "size", [(1, 4, 4), (2, 9, 5), (3, 16, 16)], ids=["product", "odd sides", "convolution"]
)
@pytest.mark.parametrize("num_kernels", [1, 4])
@pytest.mark.parametrize("side", [1, 3])
def test_it_equals_the_general_convolution(size: tuple[int, ...], num_kernels: int, side: int):
    n, height, width = size
    x, bank, style = draw(n, 5, height, width), draw(num_kernels, 7, side, side, 5), draw(1, 5)
    selection = draw(1, num_kernels).softmax(1) if num_kernels > 1 else None
    with torch.inference_mode():
        found = shared_conv2d(x, bank, style, selection)
        expected = adaptive_conv2d(x, bank.permute(0, 1, 4, 2, 3), style, selection)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=2e-6)  # float32, 45 terms


def test_the_kernel_has_unit_norm_and_the_bank_stays_as_it_is():
    bank, before = draw(1, 7, 3, 3, 5), draw(1, 7, 3, 3, 5)
    with torch.no_grad():
        kernel = shared_kernel(bank, draw(1, 5), None)
    torch.testing.assert_close(kernel.flatten(1).norm(dim=1), torch.ones(7))
    assert torch.equal(bank, before)


def test_bfloat16_maps_are_convolved_in_bfloat16():
    with torch.no_grad():
        x = draw(1, 5, 16, 16)
        exact, found = (shared_conv2d(x.to(kind), draw(2, 7, 3, 3, 5), draw(1, 5), torch.full((1, 2), 0.5)) for kind in (torch.float32, torch.bfloat16))  # fmt: skip
    assert found.dtype == torch.bfloat16
    assert (found.float() - exact).abs().max() < 0.03 * exact.abs().max()  # 8 bits


def test_several_styles_gradients_and_float16_are_left_to_the_general_one():
    x, one = draw(2, 5, 4, 4), draw(1, 5)
    assert not can_share(x, one)  # gradients are on
    with torch.no_grad():
        assert can_share(x, one)
        assert not can_share(x, draw(2, 5))
        assert not can_share(x.half(), one)  # its sums overflow
