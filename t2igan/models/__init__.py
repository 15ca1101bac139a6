"""Name tables of trainable networks, and their builders. Torch-free until one is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from t2igan.models.config import DiscriminatorConfig, GeneratorConfig, UpsamplerConfig
from t2igan.registry import Registry

if TYPE_CHECKING:
    from t2igan.features import Backbone
    from t2igan.models.aura_sr.network import AuraSR
    from t2igan.models.common.projected import ProjectedDiscriminator
    from t2igan.models.stylegan_t.generator import Generator

GENERATORS = Registry(
    "generator architecture", {"stylegan_t": "t2igan.models.stylegan_t.generator:Generator"}
)
DISCRIMINATORS = Registry(
    "discriminator architecture", {"projected": "t2igan.models.common.projected:ProjectedDiscriminator"}
)
UPSAMPLERS = Registry("upsampler architecture", {"aura_sr": "t2igan.models.aura_sr.network:AuraSR"})


def build_generator(config: GeneratorConfig) -> Generator:
    """A freshly initialised generator on the current default device, in training mode."""
    return GENERATORS[config.arch](config)


def build_discriminator(
    config: DiscriminatorConfig, *, backbone: Backbone | None = None
) -> ProjectedDiscriminator:
    """A freshly initialised discriminator in training mode; `backbone` spares building the frozen network again.

    Raises:
        WeightsError: if the frozen network's weights are not on this machine.
    """
    return DISCRIMINATORS[config.arch](config, backbone)


def build_upsampler(config: UpsamplerConfig) -> AuraSR:
    """A freshly initialised upsampler on the current default device, in training mode.

    Under `torch.device("meta")` it takes no memory, and `checkpoint.load_strictly` gives it the tensors of a file as
    they are: half a billion numbers are then neither drawn nor copied.
    """
    return UPSAMPLERS[config.arch](config)
