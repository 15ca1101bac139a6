"""The averaged generator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from t2igan.train.ema import Ema, ema_beta


def test_beta_of_the_paper_is_0_99778():
    # batch 2048, half-life 2048 * 10 / 32 = 640 thousand images, far behind the ramp
    assert ema_beta(2048, 10**9, half_life_kimg=640, rampup=0.05) == pytest.approx(0.99778, abs=5e-6)


def test_after_one_half_life_of_steps_half_of_the_old_average_is_left():
    beta = ema_beta(32, 0, half_life_kimg=0.64, rampup=None)
    assert beta ** (640 / 32) == pytest.approx(0.5)


def test_the_ramp_limits_the_half_life_to_its_share_of_the_images_seen():
    ramped = ema_beta(64, 10_000, half_life_kimg=100, rampup=0.05)
    assert ramped == ema_beta(64, 0, half_life_kimg=10_000 * 0.05 / 1000, rampup=None)
    assert ema_beta(64, 2_000_000, half_life_kimg=100, rampup=0.05) == 0.5 ** (64 / 100_000)


def test_the_first_step_and_a_half_life_of_zero_copy_the_network():
    assert ema_beta(64, 0, half_life_kimg=20, rampup=0.05) == 0
    assert ema_beta(64, 5000, half_life_kimg=0, rampup=None) == 0


def test_parameters_follow_and_buffers_are_copied():
    network = nn.BatchNorm1d(2)
    ema = Ema(network)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([3.0, -1.0]))
        assert network.running_mean is not None
        network.running_mean.copy_(torch.tensor([5.0, 7.0]))
    ema.update(network, 0.75)
    averaged = ema.network.state_dict()
    assert averaged["weight"].tolist() == [1.5, 0.5]  # 1 + 0.25 * (3 - 1), 1 + 0.25 * (-1 - 1)
    assert averaged["running_mean"].tolist() == [5.0, 7.0]


def test_the_average_is_a_copy_that_needs_no_gradient_and_stays_in_evaluation_mode():
    network = nn.Linear(2, 2).train()
    ema = Ema(network)
    assert not ema.network.training
    assert not any(p.requires_grad for p in ema.network.parameters())
    assert all(p.requires_grad for p in network.parameters())
