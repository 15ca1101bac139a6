"""Frozen networks that a loss reads: the CLIP image tower that guides G, the perceptual distance. Never those that score."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2igan import weights
from t2igan.config import Config
from t2igan.features.config import SmallClipTowerConfig
from t2igan.features.conv_tower import load_tower
from t2igan.features.lpips import build_perceptual
from t2igan.losses.config import ClipGuidanceConfig, GigaGANLossConfig, ProjectedGANConfig
from t2igan.losses.projected_gan import Guide

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
CROP = 64  # StyleGAN-T's: images larger than this are cropped to it (section 7 of the spec); GigaGAN's guide sees the whole


def build_guide(config: ProjectedGANConfig | GigaGANLossConfig, device: torch.device) -> Guide | None:
    """The guide that a loss config names, or None where it asks for none."""
    if not config.clip_weight or config.guide is None:
        return None
    if isinstance(config.guide, SmallClipTowerConfig):
        return load_tower(config.guide.checkpoint).to(device)
    return _open_clip_guide(config.guide, device, crops=isinstance(config, ProjectedGANConfig))


def build_frozen(config: Config, device: torch.device) -> dict[str, nn.Module]:
    """The frozen networks beside the guide that a loss config names, by the name of their section.

    Raises:
        WeightsError: if weights are not on this machine.
    """
    section = getattr(config, "perceptual", None)
    return {} if section is None else {"perceptual": build_perceptual(section).to(device)}


def _open_clip_guide(config: ClipGuidanceConfig, device: torch.device, *, crops: bool) -> ClipGuide:
    model = weights.open_clip_model(config.model, pretrained=config.pretrained, quick_gelu=config.quick_gelu)
    return ClipGuide(model.visual, crops=crops).eval().requires_grad_(False).to(device)


class ClipGuide(nn.Module):
    """An open_clip image tower with its resize and normalisation, after a crop if it crops; the text tower is not kept."""

    mean: Tensor
    std: Tensor

    def __init__(self, visual: Any, *, crops: bool) -> None:
        super().__init__()
        self.visual, self.crops = visual, crops
        size = visual.image_size
        self.side = size[0] if isinstance(size, tuple) else int(size)
        self.register_buffer("mean", torch.tensor(CLIP_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(CLIP_STD)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, R, R] in [0, 1] -> [N, D], not normalised."""
        images = _random_crop(images) if self.crops else images
        images = F.interpolate(images, size=(self.side, self.side), mode="area")
        return self.visual((images - self.mean) / self.std)


def _random_crop(images: Tensor) -> Tensor:
    room = images.shape[-1] - CROP
    if room <= 0:
        return images
    # An index on the device, not a Python number: nothing waits for a GPU, and torch.compile sees one graph.
    corner = torch.randint(room + 1, (2,), device=images.device)
    rows, columns = (corner[:, None] + torch.arange(CROP, device=images.device)).unbind()
    return images.index_select(2, rows).index_select(3, columns)
