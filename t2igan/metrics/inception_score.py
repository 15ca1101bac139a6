"""Inception Score from classifier logits. It sees neither real images nor prompts: report it on request only."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from t2igan.errors import T2IGanError


def inception_score(
    logits: Tensor, *, splits: int = 10, shuffle_seed: int | None = 2020
) -> tuple[float, float]:
    """Mean and standard deviation over splits of exp(E KL(p(y|x) || p(y))).

    Args:
        logits: [N, classes].
        splits: part i holds rows i*N//splits to (i+1)*N//splits, as torch-fidelity cuts.
        shuffle_seed: numpy RandomState of a shuffle before the cut; None keeps the order.

    Raises:
        T2IGanError: if there are fewer rows than splits.

    Source: Salimans et al. 2016; checked in tests/parity/test_metrics_fixtures.py.
    """
    if len(logits) < splits:
        raise T2IGanError(
            f"{len(logits)} images cannot be cut into {splits} splits. Raise the number of images."
        )
    log_p = logits.to(torch.float64).log_softmax(dim=1)
    if shuffle_seed is not None:
        log_p = log_p[torch.from_numpy(np.random.RandomState(shuffle_seed).permutation(len(log_p)))]
    edges = [i * len(log_p) // splits for i in range(splits + 1)]
    scores = [_score(log_p[start:stop]) for start, stop in pairwise(edges)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(log_p: Tensor) -> float:
    p = log_p.exp()
    # xlogy: a probability that underflows to 0 adds 0, and a NaN stays a NaN.
    divergence = (torch.xlogy(p, p) - torch.xlogy(p, p.mean(dim=0))).sum(dim=1)
    return float(divergence.mean().exp())
