"""Frozen image networks: the table of backbones of the projected discriminator. Torch-free until one is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from t2igan.features.config import BackboneConfig
from t2igan.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


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
        "random_conv": "t2igan.features.random_conv:RandomConvTaps",
    },
)


def build_backbone(config: BackboneConfig) -> Backbone:
    """Build the frozen network that a recipe or checkpoint names.

    Raises:
        WeightsError: if its weights are not on this machine.
    """
    return BACKBONES[config.kind](config)
