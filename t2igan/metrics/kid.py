"""Kernel distance (KID): unbiased squared MMD with a cubic kernel. Unlike FID it has no bias in small samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from t2igan.errors import T2IGanError


@dataclass(frozen=True)
class KernelDistance:
    """Mean and standard deviation over subsets; a negative mean is normal for equal distributions."""

    mean: float
    std: float
    subsets: int
    subset_size: int


def kernel_distance(
    real: Tensor, gen: Tensor, *, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> KernelDistance:
    """KID over random subsets drawn without replacement.

    Args:
        real: [N, d] features.
        gen: [M, d] features of the same extractor.
        subsets: how many pairs of subsets.
        subset_size: images a subset; the smaller set's size where that is less.
        seed: numpy RandomState; 2020 gives torch-fidelity's subsets, 0 those of clean-fid after np.random.seed(0).

    Raises:
        T2IGanError: if a set has fewer than two images.

    Source: Binkowski et al. 2018; checked in tests/parity/test_metrics_fixtures.py.
    """
    size = min(subset_size, len(real), len(gen))
    if size < 2:
        raise T2IGanError(
            f"KID needs at least 2 images a set, got {len(real)} and {len(gen)}. Raise the number."
        )
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        of_gen = torch.from_numpy(rng.choice(len(gen), size, replace=False))  # gen first, as both peers draw
        of_real = torch.from_numpy(rng.choice(len(real), size, replace=False))
        values.append(mmd2_unbiased(real[of_real], gen[of_gen]))
    return KernelDistance(float(np.mean(values)), float(np.std(values)), subsets, size)


def mmd2_unbiased(x: Tensor, y: Tensor) -> float:
    """Unbiased squared MMD of [N, d] and [M, d] under the kernel (x.y / d + 1)^3, in float64."""
    x, y = x.to(torch.float64), y.to(torch.float64)
    return float(
        _mean_off_diagonal(_cubic(x, x)) + _mean_off_diagonal(_cubic(y, y)) - 2 * _cubic(x, y).mean()
    )


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_off_diagonal(kernel: Tensor) -> Tensor:
    n = len(kernel)
    return (kernel.sum() - kernel.trace()) / (n * (n - 1))
