"""The convolution that keeps its input instead of the scaled copy: values, gradients, and what it keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from t2igan.ops.group_norm import remakeable_group_norm
from t2igan.ops.scaled_conv import scaled_conv

EXACT = 1e-12  # float64


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    ).requires_grad_()


def plain(x: Tensor, scale: Tensor, weight: Tensor, up: int) -> Tensor:
    scaled = x * scale[:, :, None, None]
    if up == 1:
        return F.conv2d(scaled, weight, padding=weight.shape[-1] // 2)
    return F.conv_transpose2d(scaled, weight.transpose(0, 1), stride=2)


@pytest.mark.parametrize(("up", "kernel"), [(1, 1), (1, 3), (2, 3)])
def test_value_and_gradients_are_those_of_the_plain_formula(up: int, kernel: int):
    inputs = draw(2, 3, 5, 6), draw(2, 3, seed=1), draw(4, 3, kernel, kernel, seed=2)
    mine, theirs = scaled_conv(*inputs, up=up), plain(*inputs, up)
    assert (mine - theirs).abs().max() < EXACT
    probe = draw(*mine.shape, seed=3).detach()
    for a, b in zip(
        torch.autograd.grad((mine * probe).sum(), inputs),
        torch.autograd.grad((theirs * probe).sum(), inputs),
        strict=True,
    ):
        assert (a - b).abs().max() < EXACT


def test_a_frozen_weight_gets_no_gradient_and_the_rest_does():
    x, scale, weight = draw(2, 3, 4, 4), draw(2, 3, seed=1), draw(4, 3, 3, 3, seed=2).detach()
    scaled_conv(x, scale, weight).sum().backward()
    assert x.grad is not None
    assert scale.grad is not None
    assert weight.grad is None


def kept(build) -> int:
    """Numbers that the graph of `build` keeps, a storage counted once."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        build()
    return sum(storages.values())


def test_nothing_of_the_size_of_the_input_is_kept_but_the_input():
    x, scale, weight = draw(2, 8, 16, 16), draw(2, 8, seed=1), draw(8, 8, 3, 3, seed=2)
    assert kept(lambda: scaled_conv(x, scale, weight)) == x.numel() + scale.numel() + weight.numel()
    assert kept(lambda: plain(x, scale, weight, 1)) >= 2 * x.numel()


def test_a_normalised_input_is_made_again_and_not_kept():
    x, gain, bias = draw(2, 8, 16, 16), draw(8, seed=1), draw(8, seed=2)
    scale, weight = draw(2, 8, seed=3), draw(8, 8, 3, 3, seed=4)

    def run(*, is_remade: bool) -> Tensor:
        y, made_of = remakeable_group_norm(x, 4, gain, bias)
        return scaled_conv(y, scale, weight, made_of=made_of if is_remade else None)

    assert kept(lambda: run(is_remade=False)) - kept(lambda: run(is_remade=True)) >= x.numel() - 2 * 2 * 8
    inputs = (x, gain, bias, scale, weight)
    for a, b in zip(
        torch.autograd.grad(run(is_remade=True).square().sum(), inputs),
        torch.autograd.grad(run(is_remade=False).square().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
