"""The projected discriminator: a frozen network, trained heads on its feature maps, text by projection. Not: its losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.features import Backbone, build_backbone
from t2igan.models.common.feature_drop import drop_channels
from t2igan.models.common.heads import Head
from t2igan.models.config import ProjectedConfig
from t2igan.ops import diffaug
from t2igan.types import Condition

CROP_COIN = diffaug.NUM_UNIFORMS  # column of u
NUM_UNIFORMS = (
    CROP_COIN + 3
)  # the coin, then the crop's place (y, x); one more drops features where a config asks for it
Box = tuple[int, int, int, int]  # top, left, height, width


class ProjectedDiscriminator(nn.Module):
    """Scores images against captions in three steps, so that other captions cost only the last one.

    features (frozen network) -> project (heads' trained part) -> score (projection on the text).

    Args:
        config: heads, augmentation, crops.
        backbone: the frozen network, if it is built already.
    """

    def __init__(self, config: ProjectedConfig, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.config = config
        self.c_dim = config.c_dim
        self.backbone: Any = build_backbone(config.backbone) if backbone is None else backbone
        self.backbone.eval().requires_grad_(False)
        self.heads = nn.ModuleList(
            Head(
                channels,
                config.c_dim,
                cmap_dim=config.cmap_dim,
                kind=config.head,
                virtual_batch=config.virtual_batch,
                text_gain=config.text_gain,
                spectral_norm_updates=config.spectral_norm_updates,
            )
            for channels in self.backbone.channels
        )

    @property
    def num_uniforms(self) -> int:
        """How many uniform numbers `features` reads of each image."""
        return NUM_UNIFORMS + bool(self.config.feature_drop)

    def train(self, mode: bool = True) -> ProjectedDiscriminator:
        """Set the heads' mode; the frozen network stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def trainable_parameters(self) -> list[nn.Parameter]:
        """The heads' parameters: all that an optimiser may touch."""
        return list(self.heads.parameters())

    def heads_state(self) -> dict[str, Tensor]:
        """The part of the state dict that training changes, under its official names heads.*."""
        return {name: value for name, value in self.state_dict().items() if name.startswith("heads.")}

    def advance_spectral_norm(self) -> None:
        """One power iteration of every spectral norm, to be called once a step; nothing if the config says per_call."""
        for head in self.heads:
            head.advance_spectral_norm()  # pyright: ignore[reportCallIssue]

    def features(self, img: Tensor, u: Tensor | None = None, *, crop_box: Box | None = None) -> list[Tensor]:
        """Augment, fit to the frozen network's input, and run it.

        Args:
            img: [N, 3, R, R] in [-1, 1]; gradient flows through.
            u: [N, num_uniforms] uniform numbers in [0, 1): 7 for diff_augment; one coin for cropping, read from row 0 (give
                real and fake, and all pieces of a batch, the same one); 2 for each sample's crop; one for dropped
                features. None = no augmentation and no random crop.
            crop_box: crop every image to this box instead; (top, left, height, width).

        Returns:
            One [N, C, h, w] map a head.
        """
        if u is not None:
            img = diffaug.diff_augment(img, u[:, :CROP_COIN], self.config.augment)
        maps = self.backbone(self._fit((img + 1) / 2, u, crop_box))
        if u is None or not self.config.feature_drop:
            return maps
        return drop_channels(maps, u[:, NUM_UNIFORMS], self.config.feature_drop)

    def project(self, features: list[Tensor]) -> list[Tensor]:
        """Feature maps -> [N, cmap_dim, L] projections, one a head; the same for all captions."""
        return [head.project(x) for head, x in zip(self.heads, features, strict=True)]  # pyright: ignore

    def score(self, maps: list[Tensor], c: Condition) -> Tensor:
        """Projections and captions -> logits [N, K], K = positions of all heads, in head order; float32."""
        return torch.cat([head.score(x, c) for head, x in zip(self.heads, maps, strict=True)], dim=1)  # pyright: ignore

    def forward(
        self, img: Tensor, c: Condition, u: Tensor | None = None, *, crop_box: Box | None = None
    ) -> Tensor:
        """Images [N, 3, R, R] in [-1, 1] and captions -> logits [N, K]; arguments as in `features`."""
        return self.score(self.project(self.features(img, u, crop_box=crop_box)), c)

    def _fit(self, img: Tensor, u: Tensor | None, crop_box: Box | None) -> Tensor:
        """Crop or area-resize to the frozen network's input size."""
        size = self.backbone.image_size
        if crop_box is not None:
            top, left, height, width = crop_box
            img = img[:, :, top : top + height, left : left + width]
        resized = _area_resize(img, size)
        if u is None or crop_box is not None or img.shape[2] <= size or self.config.p_crop == 0:
            return resized
        # Both are made and one is taken: no branch on data, so that nothing waits for a GPU and torch.compile works.
        return torch.where(
            u[0, CROP_COIN] < self.config.p_crop, _crop(img, u[:, CROP_COIN + 1 :], size), resized
        )


def _area_resize(img: Tensor, size: int) -> Tensor:
    return img if img.shape[2:] == (size, size) else F.adaptive_avg_pool2d(img, size)


def _crop(img: Tensor, u: Tensor, size: int) -> Tensor:
    """Crop each sample to size x size at its own place; `u` is [N, 2]."""
    for dim, place in ((2, u[:, 0]), (3, u[:, 1])):
        start = (place * (img.shape[dim] - size + 1)).long()
        index = start[:, None] + torch.arange(size, device=img.device)  # [N, size]
        shape = list(img.shape)
        shape[dim] = size
        view = [-1, 1, size, 1] if dim == 2 else [-1, 1, 1, size]
        img = img.gather(dim, index.reshape(view).expand(shape))
    return img
