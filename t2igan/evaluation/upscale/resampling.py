"""Pictures made small, and enlarged by filters, as bytes by Pillow. Not networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from t2igan.evaluation.sources.decoding import planes
from t2igan.evaluation.upscale.recipe import Shrink
from t2igan.images import to_pil

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


def shrunk(images: Tensor, scale: int, *, by: Shrink) -> Tensor:
    """[N, 3, H, W] uint8 -> [N, 3, H / scale, W / scale] uint8; sides are multiples of `scale`."""
    if by == "area":  # in one step: Pillow's box filter would round between rows and columns
        return _each(images, lambda picture: picture.reduce(scale))
    size = (images.shape[3] // scale, images.shape[2] // scale)
    return _each(images, lambda picture: picture.resize(size, FILTERS["bicubic"]))


def enlarged(images: Tensor, scale: int, *, by: str) -> Tensor:
    """[N, 3, H, W] uint8 -> [N, 3, H scale, W scale] uint8, by a filter of FILTERS."""
    size = (images.shape[3] * scale, images.shape[2] * scale)
    return _each(images, lambda picture: picture.resize(size, FILTERS[by]))


def _each(images: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    return torch.stack([planes(change(to_pil(image))) for image in images])
