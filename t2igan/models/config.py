"""The discriminator's config and the tagged unions that recipes and checkpoints decode. Torch-free."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from t2igan.config import Config
from t2igan.features.config import BackboneConfig, ConvTowerConfig, DinoConfig
from t2igan.models.aura_sr.config import AuraSRConfig
from t2igan.models.gigagan.config import GigaGANConfig, GigaGANDiscriminatorConfig
from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.text.config import TextTowerConfig

GeneratorConfig = Annotated[
    StyleGANTConfig | GigaGANConfig | GigaGANPytorchConfig, Field(discriminator="arch")
]  # what a checkpoint of kind generator may hold
TrainedConfig = Annotated[
    StyleGANTConfig | GigaGANConfig | GigaGANUpsamplerConfig, Field(discriminator="arch")
]  # what a GAN recipe trains against a discriminator
UpsamplerConfig = Annotated[AuraSRConfig | GigaGANUpsamplerConfig, Field(discriminator="arch")]


class ProjectedConfig(Config):
    """Projected discriminator: a frozen image network, and a small trained head on each of its feature maps."""

    arch: Literal["projected"] = "projected"
    """Architecture name."""
    backbone: BackboneConfig = Field(default_factory=DinoConfig)
    """The frozen network. Official: DINO ViT-S/16 at 224 px."""
    c_dim: int = Field(default=768, ge=0)
    """Length of the text embedding for projection conditioning; 0 = unconditional."""
    cmap_dim: int = Field(default=64, ge=1)
    """Width of the projection between head features and text."""
    head: Literal["tokens", "maps"] = "tokens"
    """`tokens`: 1-D circular convolutions of kernel 9 along the token sequence (official, for ViTs); `maps`: 3x3
    convolutions, for convolutional backbones, where neighbours above and below matter."""
    text_gain: float = Field(default=1.0, gt=0)
    """Factor on the unit-length text embedding before the heads' projection; 1 is official."""
    virtual_batch: int = Field(default=8, ge=1)
    """Samples that share BatchNormLocal's statistics."""
    spectral_norm_updates: Literal["per_step", "per_call"] = "per_step"
    """When the power iteration advances: once a training step, or on every training-mode call as the official code does."""
    augment: Literal["none", "color,translation,cutout", "translation,cutout", "translation"] = (
        "color,translation,cutout"
    )
    """DiffAugment policy for everything that D sees."""
    feature_drop: float = Field(default=0.0, ge=0, lt=1)
    """Share of the frozen network's channels that each image loses on their way to the heads: augmentation in feature
    space, against heads that learn few pictures by heart. 0 is official."""
    p_crop: float = Field(default=0.5, ge=0, le=1)
    """Chance that an image larger than the backbone's input is cropped rather than resized."""

    reads_tokens: ClassVar[bool] = False

    @property
    def frozen(self) -> BackboneConfig | None:
        """The frozen network inside."""
        return self.backbone

    def with_frozen(self, backbone: BackboneConfig) -> ProjectedConfig:
        """The same around another frozen network."""
        return self.model_copy(update={"backbone": backbone})

    def at(self, resolution: int) -> ProjectedConfig:
        """The same for images of another size: the frozen network reads them all."""
        del resolution
        return self


DiscriminatorConfig = Annotated[ProjectedConfig | GigaGANDiscriminatorConfig, Field(discriminator="arch")]


class SmallClipConfig(Config):
    """A small CLIP: convolutional image tower, open_clip's text transformer."""

    arch: Literal["small_clip"] = "small_clip"
    """Architecture name."""
    image: ConvTowerConfig = Field(default_factory=ConvTowerConfig)
    """Image tower."""
    text: TextTowerConfig = Field(default_factory=TextTowerConfig)
    """Text tower."""

    @property
    def image_size(self) -> int:
        """Side of the images it reads."""
        return self.image.image_size

    @model_validator(mode="after")
    def _towers_meet(self) -> SmallClipConfig:
        if self.image.embed_dim != self.text.embed_dim:
            raise ValueError(
                f"image.embed_dim {self.image.embed_dim} must equal text.embed_dim {self.text.embed_dim}"
            )
        return self


class JudgeConfig(Config):
    """The judge: a small convolutional classifier of ground-truth attributes, never used in training a GAN."""

    arch: Literal["judge"] = "judge"
    """Architecture name."""
    trunk: ConvTowerConfig = Field(default_factory=ConvTowerConfig)
    """Convolutional trunk; its embedding feeds the attribute heads and the Frechet distance."""
    classes: dict[str, int]
    """Number of classes of each attribute, in label order."""

    @property
    def image_size(self) -> int:
        """Side of the images it reads."""
        return self.trunk.image_size


EncoderConfig = Annotated[SmallClipConfig | JudgeConfig, Field(discriminator="arch")]
