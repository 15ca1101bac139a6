"""Precision, recall, density and coverage from nearest-neighbour balls. Not a feature network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from t2igan.errors import T2IGanError

Comparison = Literal["<=", "<"]
Precision = Literal["exact", "half"]
BLOCK = 1024  # rows of the distance matrix held at a time


@dataclass(frozen=True)
class PrecisionRecall:
    """The four numbers; density may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(
    real: Tensor, gen: Tensor, *, k: int = 3, comparison: Comparison = "<=", precision: Precision = "exact"
) -> PrecisionRecall:
    """How much of each set lies in the other's k-nearest-neighbour balls.

    On sets with duplicates the comparison decides: .36 with `<=`, .28 with `<` on the fixture `ties`.

    Args:
        real: [N, d] features.
        gen: [M, d] features of the same extractor.
        k: a ball reaches to the k-th neighbour, not counting the point itself.
        comparison: `<=` is StyleGAN's and torch-fidelity's; `<` that of the prdc package.
        precision: `exact` takes differences in float64, so equal points tie exactly; `half` rounds features and radii
            to float16 as StyleGAN's pr50k3 does, and takes distances by float32 matrix products.

    Raises:
        T2IGanError: if a set has no k-th neighbour.

    Source: Kynkaanniemi et al. 2019 (precision, recall), Naeem et al. 2020 (density, coverage).
    """
    if min(len(real), len(gen)) <= k:
        raise T2IGanError(
            f"k = {k} neighbours need more images than {len(real)} and {len(gen)}. Raise the number."
        )
    real, gen = (f.half().float() if precision == "half" else f.double() for f in (real, gen))
    inside = torch.le if comparison == "<=" else torch.lt
    real_radii, gen_radii = _radii(real, k), _radii(gen, k)
    balls_around_gen = torch.zeros(
        len(gen), dtype=torch.int64, device=gen.device
    )  # real balls holding each gen
    num_recalled = num_covered = 0
    for start in range(0, len(real), BLOCK):
        distances = _distances(real[start : start + BLOCK], gen)  # [block, M]
        in_real_ball = inside(distances, real_radii[start : start + BLOCK, None])
        balls_around_gen += in_real_ball.sum(dim=0)
        num_covered += int(in_real_ball.any(dim=1).sum())
        num_recalled += int(inside(distances, gen_radii).any(dim=1).sum())
    return PrecisionRecall(
        precision=float((balls_around_gen > 0).double().mean()),
        recall=num_recalled / len(real),
        density=int(balls_around_gen.sum()) / (k * len(gen)),
        coverage=num_covered / len(real),
    )


def _distances(x: Tensor, y: Tensor) -> Tensor:
    is_exact = x.dtype == torch.float64
    mode = "donot_use_mm_for_euclid_dist" if is_exact else "use_mm_for_euclid_dist"
    return torch.cdist(x, y, compute_mode=mode)


def _radii(points: Tensor, k: int) -> Tensor:
    """[N] distance of every point to its k-th neighbour, itself not counted."""
    blocks = points.split(BLOCK)
    radii = torch.cat([_distances(block, points).kthvalue(k + 1, dim=1).values for block in blocks])
    return radii if points.dtype == torch.float64 else radii.half().float()
