"""CMMD: Gaussian-kernel MMD of CLIP image embeddings. Published values use ViT-L/14 at 336 px; others do not compare."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Estimator = Literal["biased", "unbiased"]


def cmmd(
    real: Tensor, gen: Tensor, *, sigma: float = 10.0, scale: float = 1000.0, estimator: Estimator = "biased"
) -> float:
    """Squared MMD of normalised embeddings times `scale`.

    Args:
        real: [N, d] CLIP image embeddings; normalised here.
        gen: [M, d].
        sigma: width of the kernel exp(-|x - y|^2 / (2 sigma^2)).
        scale: factor on the result; 1000 as published.
        estimator: `biased` is the published one and counts the diagonal; `unbiased` may be negative.

    Source: Jayasumana et al. 2024 (arXiv 2401.09603); checked in tests/parity/test_metrics_fixtures.py.
    """
    x, y = (torch.nn.functional.normalize(e.to(torch.float64), dim=1) for e in (real, gen))
    xx, yy = (_mean_within(_gaussian(e, e, sigma), estimator) for e in (x, y))
    return scale * float(xx + yy - 2 * _gaussian(x, y, sigma).mean())


def _gaussian(x: Tensor, y: Tensor, sigma: float) -> Tensor:
    squared = (2 - 2 * x @ y.T).clamp(min=0)  # unit vectors
    return (-squared / (2 * sigma**2)).exp()


def _mean_within(kernel: Tensor, estimator: Estimator) -> Tensor:
    if estimator == "biased":
        return kernel.mean()
    n = len(kernel)
    return (kernel.sum() - kernel.trace()) / (n * (n - 1))
