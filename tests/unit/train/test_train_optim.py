"""Adam, its schedule, and its state on disk."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from t2igan.errors import CheckpointError
from t2igan.recipe.schema import AdamConfig
from t2igan.train.optim import build_adam, load_optimizer, optimizer_tensors, rate


def stepped() -> tuple[nn.Conv2d, torch.optim.Optimizer]:
    """A channels-last convolution after two steps."""
    torch.manual_seed(0)
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = build_adam(dict(network.named_parameters()), AdamConfig())
    for _ in range(2):
        step(network, optimizer)
    return network, optimizer


def step(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    network(torch.linspace(-1, 1, 75).reshape(1, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_a_constant_rate_is_constant():
    config = AdamConfig(learning_rate=0.5)
    assert {rate(config, nimg=n, start=0, stop=1000) for n in (0, 500, 1000)} == {0.5}


def test_a_cosine_rate_falls_from_all_over_half_to_nothing():
    config = AdamConfig(learning_rate=2.0, schedule="cosine")
    found = [rate(config, nimg=n, start=1000, stop=2000) for n in (1000, 1250, 1500, 2000, 2500)]
    assert found == pytest.approx([2.0, 1 + 0.5**0.5, 1.0, 0.0, 0.0])


def test_warm_up_rises_linearly_within_the_stage():
    config = AdamConfig(learning_rate=1.0, warmup_kimg=1.0)
    found = [rate(config, nimg=n, start=5000, stop=9000) for n in (5000, 5499, 5999, 7000)]
    assert found == pytest.approx([0.001, 0.5, 1.0, 1.0])


def test_weight_decay_acts_on_matrices_and_filters_only():
    network = nn.Linear(2, 2)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    params = dict(network.named_parameters())
    optimizer = build_adam(params, AdamConfig(learning_rate=0.1, weight_decay=0.5))
    for p in params.values():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(network.weight.detach(), before["weight"] * (1 - 0.1 * 0.5))
    assert torch.equal(network.bias.detach(), before["bias"])


def test_state_read_back_from_row_by_row_tensors_gives_the_same_next_step():
    network, optimizer = stepped()
    params = dict(network.named_parameters())
    saved = {k: v.clone().contiguous() for k, v in optimizer_tensors(optimizer, params).items()}
    assert set(saved) == {f"{n}.{k}" for n in ("weight", "bias") for k in ("exp_avg", "exp_avg_sq", "step")}
    twin, fresh = stepped()
    load_optimizer(fresh, dict(twin.named_parameters()), saved, source="here")
    step(network, optimizer)
    step(twin, fresh)
    assert torch.equal(network.weight, twin.weight)


def test_a_parameter_that_never_had_a_gradient_has_no_state_to_miss():
    network, optimizer = stepped()
    params = dict(network.named_parameters())
    saved = {k: v for k, v in optimizer_tensors(optimizer, params).items() if not k.startswith("bias")}
    fresh = build_adam(params, AdamConfig())
    load_optimizer(fresh, params, saved, source="here")
    assert params["bias"] not in fresh.state


def test_incomplete_or_misshapen_state_is_an_error_that_names_the_parameter():
    network, optimizer = stepped()
    params = dict(network.named_parameters())
    saved = optimizer_tensors(optimizer, params)
    halved = {**saved, "weight.exp_avg": saved["weight.exp_avg"][:2]}
    lacking = {k: v for k, v in saved.items() if k != "weight.exp_avg_sq"}
    for tensors in (halved, lacking):
        with pytest.raises(CheckpointError, match=r"here: no optimiser state that fits 'weight'"):
            load_optimizer(build_adam(params, AdamConfig()), params, tensors, source="here")
