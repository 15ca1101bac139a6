"""Frechet distance and KID with their intervals. The distances themselves are fid.py's and kid.py's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from t2igan.metrics.fid import frechet_distance_of_features
from t2igan.metrics.intervals import Interval, jackknife, subsampled
from t2igan.metrics.kid import kernel_distance

JACKKNIFE_GROUPS = 10
KID_SUBSETS, KID_SUBSET_SIZE = 50, 500


def frechet_interval(features: Tensor, reference: Tensor) -> Interval:
    """Frechet distance of features [N, D] and [M, D], and its interval from leaving out every tenth image of both."""
    groups = min(JACKKNIFE_GROUPS, len(features), len(reference))
    left_out = [
        frechet_distance_of_features(
            features[torch.arange(len(features)) % groups != i],
            reference[torch.arange(len(reference)) % groups != i],
        )
        for i in range(groups)
    ]
    return jackknife(frechet_distance_of_features(features, reference), left_out, n=len(features))


def kid_interval(features: Tensor, reference: Tensor, *, seed: int) -> dict[str, Any]:
    """KID over subsets of half the images at most, as {value, low, high, n, std, subset_size}."""
    n = min(len(features), len(reference))
    found = kernel_distance(
        reference, features, subsets=KID_SUBSETS, subset_size=min(KID_SUBSET_SIZE, n // 2), seed=seed
    )
    interval = subsampled(found.mean, found.std, size=found.subset_size, n=n)
    return {**interval.as_dict(), "std": found.std, "subset_size": found.subset_size}
