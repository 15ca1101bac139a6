"""Dropped feature channels: how many, which, and that they are a function of the given numbers only."""

from __future__ import annotations

import torch

from t2igan.models.common.feature_drop import drop_channels


def test_the_share_of_dropped_channels_is_the_given_one_and_the_mean_is_kept():
    u = torch.rand(512, generator=torch.Generator().manual_seed(0))
    (maps,) = drop_channels([torch.ones(512, 96, 2, 2)], u, 0.3)
    dropped = (maps == 0).float().mean()
    assert abs(float(dropped) - 0.3) < 0.01  # 49,152 draws: standard error 0.002
    assert set(maps.unique().tolist()) == {0.0, 1 / torch.tensor(0.7).item()} or len(maps.unique()) == 2
    assert abs(float(maps.mean()) - 1) < 0.015


def test_a_channel_is_dropped_whole_and_channels_are_dropped_independently_of_each_other():
    u = torch.rand(4096, generator=torch.Generator().manual_seed(1))
    (maps,) = drop_channels([torch.ones(4096, 16, 3, 3)], u, 0.5)
    assert bool((maps == maps[:, :, :1, :1]).all())
    kept = (maps[:, :, 0, 0] > 0).float()
    correlation = torch.corrcoef(kept.T) - torch.eye(16)
    assert float(correlation.abs().max()) < 0.1  # 6 standard errors of 4096 draws


def test_an_image_loses_the_same_channels_in_any_batch_and_others_in_each_map():
    u = torch.tensor([0.3, 0.7, 0.11])
    maps = [torch.ones(3, 64, 1), torch.ones(3, 64, 1)]
    first, second = drop_channels(maps, u, 0.5)
    (alone,) = drop_channels([maps[0][1:2]], u[1:2], 0.5)
    assert torch.equal(alone, first[1:2])
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
