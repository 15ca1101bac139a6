"""Frozen image networks: backbones of the projected discriminator, and extractors that measure. Torch-free until built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from t2igan.features.config import BackboneConfig
from t2igan.metrics.config import FeaturesConfig
from t2igan.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from t2igan.features.extractor import Extractor


class Backbone(Protocol):
    """A frozen network with feature taps; also an nn.Module.

    Attributes:
        image_size: side of its square input.
        channels: channels of each tap, in the order of the heads.
    """

    image_size: int
    channels: tuple[int, ...]

    def __call__(self, img: Tensor) -> list[Tensor]:
        """[N, 3, image_size, image_size] in [0, 1] -> one [N, C, h, w] map a tap."""
        ...


BACKBONES = Registry(
    "backbone",
    {
        "dino": "t2igan.features.vit_hooks:ViTTaps",
        "small_clip": "t2igan.features.conv_tower:tower_taps",
        "clip": "t2igan.features.clip_taps:ClipTaps",
        "random_conv": "t2igan.features.random_conv:RandomConvTaps",
    },
)


def build_backbone(config: BackboneConfig) -> Backbone:
    """Build the frozen network that a recipe or checkpoint names.

    Raises:
        WeightsError: if its weights are not on this machine.
    """
    return BACKBONES[config.kind](config)


EXTRACTORS = Registry(
    "feature network",
    {
        "inception": "t2igan.features.inception:inception_features",
        "dino": "t2igan.features.extractors:dino_features",
        "clip": "t2igan.features.clip:clip_features",
        "small_clip": "t2igan.features.extractors:small_clip_features",
        "judge": "t2igan.features.extractors:judge_features",
        "random_conv": "t2igan.features.extractors:random_conv_features",
    },
)


def build_extractor(config: FeaturesConfig) -> Extractor:
    """Build the network whose features are compared.

    Raises:
        WeightsError: if its weights are not on this machine.
        CheckpointError: if its checkpoint cannot be read.
    """
    return EXTRACTORS[config.kind](config)
