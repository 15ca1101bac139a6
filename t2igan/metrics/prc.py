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
    real: Tensor,
    gen: Tensor,
    *,
    k: int = 3,
    k_density: int = 5,
    comparison: Comparison = "<=",
    precision: Precision = "exact",
) -> PrecisionRecall:
    """How much of each set lies in the other's k-nearest-neighbour balls.

    On sets with duplicates the comparison decides: .36 with `<=`, .28 with `<` on the fixture `ties`.

    Args:
        real: [N, d] features.
        gen: [M, d] features of the same extractor.
        k: for precision and recall, a ball reaches to the k-th neighbour, not counting the point itself.
        k_density: the same for density and coverage; the defaults are those of the two papers.
        comparison: `<=` is StyleGAN's and torch-fidelity's; `<` that of the prdc package.
        precision: `exact` takes differences in float64, so equal points tie exactly; `half` rounds features and radii
            to float16 as StyleGAN's pr50k3 does, and takes distances by float32 matrix products.

    Raises:
        T2IGanError: if a set has no such neighbours.

    Source: Kynkaanniemi et al. 2019 (precision, recall), Naeem et al. 2020 (density, coverage).
    """
    if min(len(real), len(gen)) <= max(k, k_density):
        raise T2IGanError(
            f"k = {max(k, k_density)} neighbours need more images than {len(real)} and {len(gen)}. Raise the number."
        )
    real, gen = (f.half().float() if precision == "half" else f.double() for f in (real, gen))
    inside = torch.le if comparison == "<=" else torch.lt
    (near, wide), (gen_radii,) = _radii(real, k, k_density), _radii(gen, k)
    is_precise = torch.zeros(len(gen), dtype=torch.bool, device=gen.device)
    num_held = num_recalled = num_covered = 0  # num_held counts pairs of a wide real ball and a gen inside it
    for start in range(0, len(real), BLOCK):
        distances = _distances(real[start : start + BLOCK], gen)  # [block, M]
        is_precise |= inside(distances, near[start : start + BLOCK, None]).any(dim=0)
        in_wide_ball = inside(distances, wide[start : start + BLOCK, None])
        num_held += int(in_wide_ball.sum())
        num_covered += int(in_wide_ball.any(dim=1).sum())
        num_recalled += int(inside(distances, gen_radii).any(dim=1).sum())
    return PrecisionRecall(
        precision=float(is_precise.double().mean()),
        recall=num_recalled / len(real),
        density=num_held / (k_density * len(gen)),
        coverage=num_covered / len(real),
    )


def _distances(x: Tensor, y: Tensor) -> Tensor:
    is_exact = x.dtype == torch.float64
    mode = "donot_use_mm_for_euclid_dist" if is_exact else "use_mm_for_euclid_dist"
    return torch.cdist(x, y, compute_mode=mode)


def _radii(points: Tensor, *ks: int) -> list[Tensor]:
    """For each k, [N] distances of every point to its k-th neighbour, itself not counted."""
    nearest = [
        _distances(block, points).topk(max(ks) + 1, dim=1, largest=False).values
        for block in points.split(BLOCK)
    ]
    radii = torch.cat(nearest)[:, list(ks)]  # column 0 is the point itself
    return list((radii if points.dtype == torch.float64 else radii.half().float()).unbind(dim=1))
