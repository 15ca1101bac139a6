"""The averaged generator: what gets sampled, judged and shared. Not an optimiser."""

from __future__ import annotations

import copy

import torch
from torch import nn

from t2igan import sharding

MIN_NIMG = 1e-8


def ema_beta(batch: int, nimg: int, *, half_life_kimg: float, rampup: float | None) -> float:
    """Share of the old average that survives one step of `batch` images, `nimg` images into training.

    Source: StyleGAN-T, section 8 of the spec: 0.5 ** (batch / min(half-life, rampup * nimg)).
    """
    half_life = half_life_kimg * 1000
    if rampup is not None:
        half_life = min(half_life, nimg * rampup)
    return 0.5 ** (batch / max(half_life, MIN_NIMG))


class Ema:
    """A copy of a network whose parameters follow it slowly; buffers are copied."""

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, beta: float) -> None:
        """Move every parameter by `1 - beta` of the way, and copy the buffers."""
        averaged = [sharding.local(p.detach()) for p in self.network.parameters()]
        current = [sharding.local(p.detach()) for p in network.parameters()]
        torch._foreach_lerp_(averaged, current, weight=1 - beta)  # pyright: ignore[reportPrivateImportUsage]
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)
