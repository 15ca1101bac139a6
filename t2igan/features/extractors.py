"""Networks that ship with t2igan or timm, as feature extractors. Inception and open_clip have files of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from t2igan import checkpoint, weights
from t2igan.features.config import RandomConvConfig
from t2igan.features.conv_tower import ConvTower, load_tower, to_unit
from t2igan.features.dinov2 import dinov2_extractor, is_dinov2
from t2igan.features.extractor import Extractor, bicubic
from t2igan.features.judge import load_judge
from t2igan.features.random_conv import RandomConvTaps
from t2igan.features.vit_hooks import MEAN, STD
from t2igan.metrics.config import (
    DinoFeaturesConfig,
    JudgeFeaturesConfig,
    RandomConvFeaturesConfig,
    SmallClipFeaturesConfig,
)


def dino_features(config: DinoFeaturesConfig) -> Extractor:
    """The pooled output of a timm vision transformer, at the input size and normalisation of its weights.

    DINOv2 is an exception, as published distances by it are not at timm's size: see dinov2.py.

    Raises:
        WeightsError: if the model is unknown or its weights are not on this machine.
    """
    vit = weights.timm_model(config.model, pretrained=config.pretrained, file=config.weights)
    if is_dinov2(config.model):
        return dinov2_extractor(vit, config.model)
    told = getattr(vit, "pretrained_cfg", None) or {}
    size = int(told.get("input_size", (3, 224, 224))[-1])
    prepare = bicubic(size, told.get("mean", MEAN), told.get("std", STD))
    name = f"{config.model}-{checkpoint.fingerprint(vit.state_dict())}"
    return Extractor(vit, prepare, name=name, protocol=f"bicubic {size} px", dim=int(vit.num_features))  # pyright: ignore[reportArgumentType]


def small_clip_features(config: SmallClipFeaturesConfig) -> Extractor:
    """The image tower of a small CLIP; its embedding before normalisation.

    Raises:
        CheckpointError: if the checkpoint is missing, damaged or of another kind.
    """
    return _tower(load_tower(config.checkpoint), "small_clip")


def judge_features(config: JudgeFeaturesConfig) -> Extractor:
    """The trunk of a judge.

    Raises:
        CheckpointError: if the checkpoint is missing, damaged or of another kind.
    """
    return _tower(load_judge(config.checkpoint).net.trunk, "judge")


def _tower(tower: ConvTower, kind: str) -> Extractor:
    name = f"{kind}-{checkpoint.fingerprint(tower.state_dict())}"
    return Extractor(
        tower, to_unit, name=name, protocol=f"area {tower.image_size} px", dim=tower.head.out_features
    )


def random_conv_features(config: RandomConvFeaturesConfig) -> Extractor:
    """Means of the feature maps of random convolutions. Not a judge of quality."""
    net = _MeanTaps(RandomConvTaps(RandomConvConfig()))
    name = f"{config.kind}-{checkpoint.fingerprint(net.state_dict())}"
    size = net.taps.image_size
    prepare = bicubic(size, (0, 0, 0), (1, 1, 1))
    return Extractor(net, prepare, name=name, protocol=f"bicubic {size} px", dim=sum(net.taps.channels))


class _MeanTaps(nn.Module):
    """The mean of every channel of every tap, side by side: [N, 3, S, S] -> [N, sum of channels]."""

    def __init__(self, taps: RandomConvTaps) -> None:
        super().__init__()
        self.taps = taps

    def forward(self, img: Tensor) -> Tensor:
        return torch.cat([tap.mean(dim=(2, 3)) for tap in self.taps(img)], dim=1)
