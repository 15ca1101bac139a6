"""Agreement of images with captions in a CLIP's space. Name the CLIP with the number, and never score with the critic."""

from __future__ import annotations

import torch
from torch import Tensor

from t2igan.metrics.intervals import Interval, bootstrap_mean


def cosines(image_embeds: Tensor, text_embeds: Tensor) -> Tensor:
    """[N] float64 cosine of each pair of [N, d] embeddings, which need not be normalised."""
    assert image_embeds.shape == text_embeds.shape, "one caption an image"
    image, text = (
        torch.nn.functional.normalize(e.to(torch.float64), dim=1) for e in (image_embeds, text_embeds)
    )
    return (image * text).sum(dim=1)


def clip_score(image_embeds: Tensor, text_embeds: Tensor, *, seed: int = 0) -> Interval:
    """Mean cosine of individually normalised embeddings with its bootstrap interval.

    Not times 100 (StyleGAN-T's print), not clamped at 0 (torchmetrics), not times 2.5 (Hessel et al. 2021).

    Args:
        image_embeds: [N, d].
        text_embeds: [N, d], row i the caption of image i.
        seed: of the bootstrap.
    """
    return bootstrap_mean(cosines(image_embeds, text_embeds).tolist(), seed=seed)
