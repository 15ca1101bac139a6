"""What an upsampler draws from fixed numbers, as a few numbers to compare: on another machine, or by a later version."""

from __future__ import annotations

from typing import Any

import torch

from t2igan import rng
from t2igan.types import Upsampler

TOLERANCE = 1e-3  # machines differ by 1e-5; another wiring of the same weights by 0.1
DIGITS = 5


@torch.inference_mode()
def run_self_test(network: Upsampler) -> list[float] | None:
    """Mean and deviation of each channel of one tile, drawn from fixed noise; None if they are not finite."""
    generator = rng.generator("upsampler self-test")
    side = network.img_resolution
    low = torch.rand(1, 3, side, side, generator=generator) * 2 - 1
    z = torch.randn(1, network.z_dim, generator=generator)
    noise = torch.randn(1, 3, side, side, generator=generator)
    img = network(low, z, noise=noise)[0].flatten(1).double()
    found = torch.cat([img.mean(dim=1), img.std(dim=1)])
    return [round(value, DIGITS) for value in found.tolist()] if bool(found.isfinite().all()) else None


def agrees(first: Any, second: list[float]) -> bool:
    """Whether two self-tests are of the same network; `first` is what a header holds, and may be anything."""
    if not isinstance(first, list) or len(first) != len(second):
        return False
    return all(
        isinstance(a, float | int) and abs(a - b) <= TOLERANCE * max(1, abs(b))
        for a, b in zip(first, second, strict=True)
    )
