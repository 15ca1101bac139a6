"""Feature maps from several depths of a frozen vision transformer. Not: its weights' whereabouts (weights.py)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan import weights
from t2igan.errors import UsageError
from t2igan.features.config import DinoConfig

MEAN = (0.485, 0.456, 0.406)  # of ImageNet
STD = (0.229, 0.224, 0.225)


class ViTTaps(nn.Module):
    """Token maps after chosen blocks of a timm vision transformer; the class token is added to every patch token.

    Args:
        config: which network, input size and taps.
        vit: the network itself, for weights that come from a checkpoint; None = find them through weights.py.

    Raises:
        WeightsError: if the pretrained weights are not on this machine.
        UsageError: if the network has no single class token, or a tap lies beyond its last block.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: DinoConfig, vit: nn.Module | None = None) -> None:
        super().__init__()
        if vit is None:
            vit = weights.timm_model(config.model, pretrained=config.pretrained, file=config.weights)
        self.vit: Any = vit.eval().requires_grad_(False)
        self.image_size = config.image_size
        self.taps = config.taps
        self.channels = (self.vit.embed_dim,) * len(config.taps)
        if self.vit.cls_token is None or self.vit.num_prefix_tokens != 1:
            raise UsageError(
                f"backbone {config.model!r} has no single class token. Choose another, such as 'vit_small_patch16_224.dino'."
            )
        if not all(-1 <= tap < len(self.vit.blocks) for tap in self.taps):
            raise UsageError(
                f"backbone {config.model!r} has blocks 0..{len(self.vit.blocks) - 1}; taps {self.taps} do not fit. Use these, or -1."
            )
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)

    def forward(self, img: Tensor) -> list[Tensor]:
        """[N, 3, S, S] in [0, 1] -> one [N, C, S / patch, S / patch] map a tap, in the order of `taps`."""
        patches = self.vit.patch_embed.proj((img - self.mean) / self.std)  # [N, C, h, w]
        h, w = patches.shape[2:]
        tokens = torch.cat(
            [self.vit.cls_token.expand(len(img), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1
        )
        x = self.vit.norm_pre(tokens + self._position(h, w))
        tapped = {-1: x}
        for i in range(
            max(self.taps) + 1
        ):  # blocks after the last tap, and the final norm, would be thrown away
            x = self.vit.blocks[i](x)
            tapped[i] = x
        return [self._readout(tapped[tap], h, w) for tap in self.taps]

    def _position(self, h: int, w: int) -> Tensor:
        """Position embedding [1, 1 + h w, C]; the patch part is resized bilinearly if the token grid differs."""
        position = self.vit.pos_embed
        side = int((position.shape[1] - 1) ** 0.5)
        if (h, w) == (side, side):
            return position
        grid = position[:, 1:].transpose(1, 2).reshape(1, -1, side, side)
        grid = F.interpolate(grid, size=(h, w), mode="bilinear", align_corners=False)
        return torch.cat([position[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)

    @staticmethod
    def _readout(tokens: Tensor, h: int, w: int) -> Tensor:
        """Add the class token to every patch token: [N, 1 + h w, C] -> [N, C, h, w]."""
        return (tokens[:, 1:] + tokens[:, :1]).transpose(1, 2).unflatten(2, (h, w))
