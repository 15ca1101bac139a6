"""DINOv2's class token as FD-DINOv2 sees it: at 224 px, with the official code's position embedding. Not timm's 518 px.

Nothing here holds for DINOv2 with registers, whose official code resamples otherwise; timm's own way is kept for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from t2igan import checkpoint
from t2igan.features.extractor import Extractor
from t2igan.features.vit_hooks import MEAN, STD

SIZE = 224  # px, of all published values
OFFSET = 0.1  # the official code adds it to the new side, and keeps the scale that results


def is_dinov2(model: str) -> bool:
    """Whether a timm name is a DINOv2 without registers."""
    return "patch14_dinov2" in model


def dinov2_extractor(vit: nn.Module, model: str) -> Extractor:
    """The class token after the last norm, of pictures that Pillow shrank or enlarged to 224 px.

    Args:
        vit: timm's vision transformer with one class token, which has a position of its own; its side in patches is free.
        model: its name.

    Source: Stein et al. 2023 (dgm-eval), Oquab et al. 2023 (DINOv2); checked in tests/unit/features/test_features_dinov2.py.
    """
    net: Any = ClassToken(vit)
    return Extractor(
        net,
        pillow_bicubic,
        name=f"{model}-{SIZE}px-{checkpoint.fingerprint(vit.state_dict())}",
        protocol=f"Pillow bicubic {SIZE} px, rounded to bytes",
        dim=net.vit.embed_dim,
    )


def pillow_bicubic(images: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] on any device -> [N, 3, 224, 224] on the CPU: Pillow's bytes, less ImageNet's mean, by its deviation."""
    pixels = torch.stack([_resized(image) for image in images.cpu()])
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (pixels.permute(0, 3, 1, 2).to(torch.float32) / 255).sub_(mean).div_(std)


def _resized(image: Tensor) -> Tensor:
    """uint8 [3, H, W] -> uint8 [224, 224, 3]."""
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    return torch.from_numpy(np.array(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC)))


class ClassToken(nn.Module):
    """The official network's forward pass to its normalised class token."""

    position: Tensor

    def __init__(self, vit: nn.Module) -> None:
        super().__init__()
        self.vit: Any = vit
        side = SIZE // self.vit.patch_embed.patch_size[0]
        position = resampled_position(self.vit.pos_embed.detach(), side)
        self.register_buffer("position", position, persistent=False)

    def forward(self, img: Tensor) -> Tensor:
        """Normalised images [N, 3, 224, 224] -> [N, C]."""
        patches = self.vit.patch_embed.proj(img).flatten(2).transpose(1, 2)  # [N, side^2, C]
        x = torch.cat([self.vit.cls_token.expand(len(img), -1, -1), patches], dim=1) + self.position
        return self.vit.norm(self.vit.blocks(x))[:, 0]


def resampled_position(position: Tensor, side: int) -> Tensor:
    """A position embedding for another number of patches.

    The scale of the positions is (side + 0.1) / side before, not the ratio of the sides: by it the weights were measured.

    Args:
        position: [1, 1 + M^2, C], the class token first.
        side: patches along a side.

    Returns:
        [1, 1 + side^2, C]; for side = M the same tensor.
    """
    before = round((position.shape[1] - 1) ** 0.5)
    if before == side:
        return position
    grid = position[:, 1:].unflatten(1, (before, before)).permute(0, 3, 1, 2)
    scale = (side + OFFSET) / before
    grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
    return torch.cat([position[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
