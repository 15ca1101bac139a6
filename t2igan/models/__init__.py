"""Name tables of trainable networks, and their builders. Torch-free until one is built."""

from __future__ import annotations

from typing import Any, Literal

from t2igan.models.config import DiscriminatorConfig, GeneratorConfig, TrainedConfig, UpsamplerConfig
from t2igan.registry import Registry

GENERATORS = Registry(
    "generator architecture",
    {
        "stylegan_t": "t2igan.models.stylegan_t.generator:Generator",
        "gigagan": "t2igan.models.gigagan.generator:Generator",
        "gigagan_pytorch": "t2igan.models.gigagan_pytorch.generator:Generator",
    },
)
DISCRIMINATORS = Registry(
    "discriminator architecture",
    {
        "projected": "t2igan.models.common.projected:ProjectedDiscriminator",
        "gigagan": "t2igan.models.gigagan.discriminator:Discriminator",
    },
)
UPSAMPLERS = Registry(
    "upsampler architecture",
    {
        "aura_sr": "t2igan.models.aura_sr.network:AuraSR",
        "gigagan_upsampler": "t2igan.models.gigagan.upsampler.network:GigaGANUpsampler",
    },
)


def checkpoint_kind(arch: str) -> Literal["generator", "upsampler"]:
    """What a checkpoint of a trained architecture is: its pictures come from prompts, or from smaller pictures."""
    return "upsampler" if arch in UPSAMPLERS else "generator"


def build_generator(config: GeneratorConfig | TrainedConfig) -> Any:
    """A freshly initialised generator, or upsampler, on the current default device, in training mode."""
    table = UPSAMPLERS if checkpoint_kind(config.arch) == "upsampler" else GENERATORS
    return table[config.arch](config)


def build_discriminator(config: DiscriminatorConfig) -> Any:
    """A freshly initialised discriminator in training mode.

    Raises:
        WeightsError: if the frozen network's weights are not on this machine.
    """
    return DISCRIMINATORS[config.arch](config)


def build_upsampler(config: UpsamplerConfig) -> Any:
    """A freshly initialised upsampler on the current default device, in training mode.

    Under `torch.device("meta")` it takes no memory, and `checkpoint.load_strictly` gives it the tensors of a file as
    they are: half a billion numbers are then neither drawn nor copied.
    """
    return UPSAMPLERS[config.arch](config)
