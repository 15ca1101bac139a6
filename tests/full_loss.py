"""A tiny recipe with everything that belongs to StyleGAN-T's loss: a vision transformer's tokens, CLIP guidance, text by CLIP.

Importing it makes timm know a vision transformer that is smaller than any of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer
from tiny import tiny_recipe
from torch import Tensor, nn

from t2igan import images
from t2igan.recipe.schema import GanRecipe

FULL = (
    "conditioner={kind: small_clip}",
    "generator.c_dim=128",
    "discriminator.c_dim=128",
    "discriminator.head=tokens",
    "discriminator.backbone={kind: dino, model: vit_of_tests, pretrained: false, image_size: 32, taps: [-1, 1]}",
    "loss.clip_weight=1.6",
    "loss.guide={kind: small_clip}",
)


@register_model
def vit_of_tests(pretrained: bool = False, num_classes: int = 0, **_: object) -> VisionTransformer:
    """Two blocks of width 16 over 2 x 2 patches of a 32-px image; weights are random."""
    assert not pretrained
    vit = VisionTransformer(
        img_size=32, patch_size=16, embed_dim=16, depth=2, num_heads=2, num_classes=num_classes
    )
    for weight in vit.parameters():  # timm starts with tiny ones, whose maps hardly depend on the image
        if weight.ndim == 2:
            nn.init.orthogonal_(weight, gain=2)
    return vit


@contextmanager
def double_precision() -> Iterator[None]:
    """Compute in float64 inside the block what is float32 outside.

    In float32, sums in another order move a few of a million activations across the kink of their leaky ReLU, and each
    moves a gradient by as much as an image does. In float64 only a mistake can.
    """
    to_float = images.to_float

    def to_double(pictures: Tensor) -> Tensor:
        return to_float(pictures).double()

    with (
        patch.object(torch.Tensor, "float", torch.Tensor.double),
        patch.object(images, "to_float", to_double),
    ):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def full_recipe(*sets: str, stages: tuple[tuple[int, int], ...] = ((16, 4),)) -> GanRecipe:
    """As tiny_recipe, with the whole loss."""
    return tiny_recipe(*FULL, *sets, stages=stages)
