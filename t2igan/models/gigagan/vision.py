"""GigaGAN's second discriminator: predictors on the feature maps of a frozen image network. Not: the network itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.features import build_backbone
from t2igan.models.gigagan.config import GigaGANDiscriminatorConfig
from t2igan.models.gigagan.predictor import Predictor
from t2igan.ops.equal_conv import EqualConv

SEED = 0  # of the fixed projections


class VisionAided(nn.Module):
    """Each feature map: a fixed random projection, a 3x3 convolution, and a text-modulated predictor.

    Source: Kang et al. 2023, section 3.6; fixed projections of Sauer et al. 2021 (Projected GAN).
    """

    def __init__(self, config: GigaGANDiscriminatorConfig) -> None:
        super().__init__()
        assert config.vision_aided is not None
        width = config.vision_aided.width
        self.backbone: Any = build_backbone(config.vision_aided.backbone)
        self.backbone.eval().requires_grad_(False)
        generator = torch.Generator().manual_seed(SEED)
        for number, channels in enumerate(self.backbone.channels):
            matrix = torch.randn(width, channels, 1, 1, generator=generator, device="cpu") / channels**0.5
            self.register_buffer(f"projection{number}", matrix, persistent=False)
        taps = len(self.backbone.channels)
        self.convs = nn.ModuleList(EqualConv(width, width, kernel=3) for _ in range(taps))
        self.predictors = nn.ModuleList(
            Predictor(width, config.text.width, config.predictor_layers) for _ in range(taps)
        )

    def features(self, img: Tensor) -> list[Tensor]:
        """Images [N, 3, R, R] in [-1, 1] -> maps [N, width, h, w], one a tap."""
        size = self.backbone.image_size
        unit = (img + 1) / 2
        if unit.shape[2:] != (size, size):
            unit = F.interpolate(unit, size=(size, size), mode="bilinear", antialias=True)
        maps = self.backbone(unit)
        projections = [self.get_buffer(f"projection{i}") for i in range(len(maps))]
        return [
            conv(F.conv2d(x, p.to(x.dtype))) for conv, x, p in zip(self.convs, maps, projections, strict=True)
        ]

    def score(self, maps: list[Tensor], summary: Tensor) -> list[Tensor]:
        """Maps of M N images and prompts [N, width] -> logits [M, N, pixels], one a tap."""
        return [predictor(x, summary) for predictor, x in zip(self.predictors, maps, strict=True)]
