from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from t2igan.ops.batchnorm_local import BatchNormLocal, group_sizes
from t2igan.ops.group_norm import group_norm
from t2igan.ops.layers import Dense, normalize_second_moment
from t2igan.ops.spectral_norm import SpectralConv


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_group_norm_and_its_gradients_equal_torch(memory_format):
    torch.manual_seed(0)
    ours = [torch.randn(3, 8, 5, 4) + 2, torch.randn(8), torch.randn(8)]
    ours[0] = ours[0].contiguous(memory_format=memory_format)
    theirs = [value.clone() for value in ours]
    for value in (*ours, *theirs):
        value.requires_grad_()
    found, expected = (
        group_norm(ours[0], 4, ours[1], ours[2]),
        F.group_norm(theirs[0], 4, theirs[1], theirs[2]),
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    probe = torch.randn_like(found)
    (found * probe).sum().backward()
    (expected * probe).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=2e-5, rtol=1e-4)  # float32 sums of 60 terms


def test_group_norm_in_bfloat16_stays_near_float32():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 8, 8, 8), torch.randn(8), torch.randn(8)
    x = x.bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    exact = x.detach().float().requires_grad_()
    probe = torch.randn(2, 8, 8, 8)
    found = group_norm(x, 4, weight, bias)
    (found.float() * probe).sum().backward()
    expected = F.group_norm(exact, 4, weight, bias)
    (expected * probe).sum().backward()
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.01)  # 8 bits of mantissa
    torch.testing.assert_close(x.grad.float(), exact.grad, atol=0.05, rtol=0.02)


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [(1, [1]), (8, [8]), (9, [5, 4]), (16, [8, 8]), (17, [6, 6, 5]), (12, [6, 6]), (23, [8, 8, 7])],
)
def test_a_batch_is_cut_into_the_fewest_groups_with_larger_ones_first(batch, sizes):
    assert group_sizes(batch, 8) == sizes


@pytest.mark.parametrize("batch", [1, 8, 11, 24])
def test_local_batch_norm_normalises_each_group_by_its_own_moments(batch):
    torch.manual_seed(0)
    x, norm = torch.randn(batch, 3, 7) * 2 + 1, BatchNormLocal(3)
    y = norm(x)
    start = 0
    for size in group_sizes(batch, 8):
        rows = x[start : start + size]
        mean, var = rows.mean(dim=(0, 2), keepdim=True), rows.var(dim=(0, 2), keepdim=True, unbiased=False)
        torch.testing.assert_close(y[start : start + size], (rows - mean) / (var + 1e-5).sqrt())
        start += size


def test_local_batch_norm_is_the_same_in_evaluation_and_in_channels_last():
    torch.manual_seed(0)
    x, norm = torch.randn(12, 4, 6, 6), BatchNormLocal(4, virtual_batch=4)
    y = norm.train()(x)
    assert torch.equal(y, norm.eval()(x))
    last = norm(x.contiguous(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, y)


@pytest.mark.parametrize("kernel", [(1,), (3,), (3, 3)])
def test_spectral_norm_divides_by_the_largest_singular_value(kernel):
    torch.manual_seed(0)
    conv = SpectralConv(5, 7, kernel=kernel)
    for _ in range(200):
        conv.advance()
    sigma = torch.linalg.svdvals(conv.weight_orig.flatten(1))[0]
    torch.testing.assert_close(conv.weight(), conv.weight_orig / sigma)


def test_spectral_norm_equals_torchs_classic_one_under_its_names():
    torch.manual_seed(0)
    ours = SpectralConv(5, 7, kernel=(9,), padding="circular").train()
    plain = nn.Conv1d(5, 7, 9, padding=4, padding_mode="circular")
    theirs = torch.nn.utils.spectral_norm(plain).train()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 12)
    for _ in range(3):
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.state_dict(), dict(theirs.state_dict()))


def test_spectral_norm_advances_only_when_its_mode_says_so():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 12)
    for updates, training, moves in (
        ("per_call", True, True),
        ("per_call", False, False),
        ("per_step", True, False),
    ):
        conv = SpectralConv(5, 7, updates=updates).train(training)
        before = conv.weight_u.clone()
        conv(x)
        assert torch.equal(before, conv.weight_u) is not moves


def test_two_calls_may_advance_before_one_backward():
    conv = SpectralConv(5, 7).train()
    (conv(torch.randn(2, 5, 12)).sum() + conv(torch.randn(2, 5, 12)).sum()).backward()
    assert conv.weight_orig.grad is not None


def test_dense_is_the_scaled_affine_map():
    torch.manual_seed(0)
    dense = Dense(16, 3, activation="lrelu", lr_multiplier=0.1, bias_init=0.5)
    x = torch.randn(4, 16)
    expected = F.leaky_relu(x @ (dense.weight * 0.1 / 4).T + dense.bias * 0.1, 0.2) * 2**0.5
    torch.testing.assert_close(dense(x), expected)


def test_dense_starts_with_unit_variance_and_its_bias_whatever_the_multiplier():
    torch.manual_seed(0)
    y = Dense(256, 2000, lr_multiplier=0.01, bias_init=3)(torch.randn(50, 256))
    assert y.mean().item() == pytest.approx(3, abs=0.02)
    assert y.std().item() == pytest.approx(1, abs=0.02)


def test_second_moment_of_each_row_becomes_one():
    torch.manual_seed(0)
    rows = normalize_second_moment(torch.randn(5, 64) * 7)
    torch.testing.assert_close(rows.square().mean(dim=1), torch.ones(5))
