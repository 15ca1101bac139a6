"""What GigaGAN's networks are made of. Torch-free. Where the paper is silent, docs/gigagan.md says what was chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from t2igan.config import Config
from t2igan.features.config import BackboneConfig

FIRST = 4  # pixels of the learned constant, and of the lowest level of the pyramid
LARGEST = (
    8192  # pixels; this and the bounds below keep a checkpoint's header from asking for any amount of work
)
Count = Annotated[int, Field(ge=1, le=64)]
Depth = Annotated[int, Field(ge=0, le=64)]
Width = Annotated[int, Field(ge=1, le=1 << 14)]
Side = Annotated[int, Field(ge=FIRST, le=LARGEST)]


def _is_power_of_two(resolution: int) -> int:
    if resolution & (resolution - 1):
        raise ValueError(f"resolution {resolution} is not a power of two")
    return resolution


class TextLayersConfig(Config):
    """Learned transformer on top of frozen text tokens; G and D each have one."""

    width: int = Field(default=1024, ge=8, le=1 << 14)
    """Length of its tokens, t_local, and of t_global."""
    depth: Depth = 4
    """Layers; 0 = a linear map of the frozen tokens."""
    heads: int = Field(default=16, ge=1, le=1024)
    """Attention heads."""

    @model_validator(mode="after")
    def _heads_fit(self) -> TextLayersConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        return self


class GigaGANConfig(Config):
    """GigaGAN generator; the defaults are the 64 px text-to-image model of the paper, 652.5 M parameters."""

    arch: Literal["gigagan"] = "gigagan"
    """Architecture name."""
    z_dim: int = Field(default=128, ge=1, le=1 << 14)
    """Length of the latent z."""
    w_dim: int = Field(default=1024, ge=8, le=1 << 14)
    """Length of w."""
    c_dim: int = Field(default=768, ge=1, le=1 << 16)
    """Width of the frozen text tokens. Must equal the conditioner's."""
    resolution: int = Field(default=64, ge=8, le=LARGEST)
    """Output size in pixels, a power of two; stages override it."""
    text: TextLayersConfig = Field(default_factory=TextLayersConfig)
    """Learned text layers."""
    mapping_layers: Count = 4
    """Layers of the mapping MLP."""
    mapping_lr_multiplier: float = Field(default=0.01, gt=0, le=1e3)
    """Learning-rate multiplier of the mapping MLP."""
    channel_base: int = Field(default=16384, ge=16, le=1 << 20)
    """Channels at resolution r are min(channel_base // r, channel_max)."""
    channel_max: int = Field(default=1600, ge=8, le=1 << 14)
    """Most channels of any layer."""
    blocks: tuple[Count, ...] = Field(default=(3, 3, 3, 2, 2), min_length=1, max_length=12)
    """Blocks of two convolutions at 4, 8, 16, ... px; the very first has one convolution, those after a resolution's
    first are residual. The last number holds for all higher resolutions."""
    kernels: tuple[Count, ...] = Field(default=(1, 1, 2, 4, 8), min_length=1, max_length=12)
    """Kernels in the bank of each convolution at 4, 8, 16, ... px; 1 = no selection. Continues as `blocks`."""
    attention: dict[Side, Depth] = Field(default_factory=lambda: {8: 2, 16: 2, 32: 1})
    """Resolution -> pairs of self- and cross-attention; empty = none."""
    cross_attention: bool = True
    """Whether the pairs look at the text tokens; false leaves self-attention and feed-forward."""
    head_dim: int = Field(default=64, ge=4, le=4096)
    """Channels of an attention head."""
    block_gain: float = Field(default=0.4, gt=0, le=1e3)
    """Factor on residual blocks."""
    attention_gain: float = Field(default=0.3, gt=0, le=1e3)
    """Factor on what attention and its feed-forward add."""
    noise: bool = True
    """Whether layers add noise (strength starts at 0 and is learned)."""
    conv_clamp: float | None = 256.0
    """Activations are clamped to +-conv_clamp; null switches it off."""

    reads_tokens: ClassVar[bool] = True

    @model_validator(mode="after")
    def _shapes_fit(self) -> GigaGANConfig:
        _is_power_of_two(self.resolution)
        _check_channels(self.channel_base, self.resolution)
        _check_heads(self.attention, self.head_dim, self.channels)
        return self

    @property
    def resolutions(self) -> list[int]:
        """4, 8, ... resolution."""
        return resolutions(self.resolution)

    def channels(self, r: int) -> int:
        """Channels at resolution r."""
        return min(self.channel_base // r, self.channel_max)

    def blocks_at(self, r: int) -> int:
        """Blocks at resolution r."""
        return at_resolution(self.blocks, r)

    def kernels_at(self, r: int) -> int:
        """Kernels of a bank at resolution r."""
        return at_resolution(self.kernels, r)


class VisionAidedConfig(Config):
    """A second discriminator on the features of a frozen image network, inside D."""

    backbone: BackboneConfig
    """The frozen network; the paper's is CLIP ViT-B/32's image tower."""
    width: int = Field(default=256, ge=8, le=1 << 14)
    """Channels that each feature map is projected to, by a fixed random matrix."""


class GigaGANDiscriminatorConfig(Config):
    """GigaGAN discriminator: every resolution goes in, every depth gives a verdict."""

    arch: Literal["gigagan"] = "gigagan"
    """Architecture name."""
    resolution: int = Field(default=64, ge=8, le=LARGEST)
    """Size of the largest images; stages override it."""
    c_dim: int = Field(default=768, ge=0, le=1 << 16)
    """Width of the frozen text tokens, which must equal the conditioner's; 0 = reads no text."""
    text: TextLayersConfig = Field(default_factory=TextLayersConfig)
    """Learned text layers; without text, a learned constant of its width."""
    channel_base: int = Field(default=16384, ge=16, le=1 << 20)
    """Channels at resolution r are min(channel_base // r, channel_max)."""
    channel_max: int = Field(default=1536, ge=8, le=1 << 14)
    """Most channels of any layer."""
    blocks: tuple[Count, ...] = Field(default=(2, 2, 2, 2, 1), min_length=1, max_length=12)
    """Blocks at 4, 8, 16, ... px, the last of which halves the size. Continues as the generator's."""
    attention: dict[Side, Depth] = Field(default_factory=lambda: {8: 2, 16: 2, 32: 1})
    """Resolution -> self-attention layers; empty = none."""
    head_dim: int = Field(default=64, ge=4, le=4096)
    """Channels of an attention head."""
    attention_gain: float = Field(default=0.3, gt=0, le=1e3)
    """Factor on what attention adds."""
    predictor_layers: Count = 4
    """Text-modulated 1x1 layers of a predictor."""
    multi_scale: bool = True
    """false: only the largest image is judged, and only at the end."""
    smallest: Side = FIRST
    """Smallest image that is judged, in pixels, a power of two: an upsampler's smallest is its input's size."""
    minibatch_std: int = Field(default=0, ge=0, le=1024)
    """Samples in a group of the minibatch standard deviation; 0 = none, as in the text-to-image base model."""
    vision_aided: VisionAidedConfig | None = None
    """Second discriminator on frozen features; null = none."""

    @property
    def reads_tokens(self) -> bool:
        """Whether it reads text."""
        return self.c_dim > 0

    @property
    def frozen(self) -> BackboneConfig | None:
        """The frozen network inside."""
        return None if self.vision_aided is None else self.vision_aided.backbone

    def with_frozen(self, backbone: BackboneConfig) -> GigaGANDiscriminatorConfig:
        """The same around another frozen network, where there is one."""
        if self.vision_aided is None:
            return self
        return self.model_copy(
            update={"vision_aided": self.vision_aided.model_copy(update={"backbone": backbone})}
        )

    def at(self, resolution: int) -> GigaGANDiscriminatorConfig:
        """The same for images of another size."""
        return self.model_copy(update={"resolution": resolution})

    @model_validator(mode="after")
    def _shapes_fit(self) -> GigaGANDiscriminatorConfig:
        _is_power_of_two(self.resolution)
        _is_power_of_two(self.smallest)
        _check_channels(self.channel_base, self.resolution)
        _check_heads(self.attention, self.head_dim, self.channels)
        return self

    @property
    def resolutions(self) -> list[int]:
        """4, 8, ... resolution."""
        return resolutions(self.resolution)

    @property
    def num_levels(self) -> int:
        """Sizes of the pyramid, and exits."""
        return len(self.resolutions)

    @property
    def num_judged(self) -> int:
        """How many of these sizes are judged, the largest first."""
        return max(1, sum(r >= self.smallest for r in self.resolutions)) if self.multi_scale else 1

    def channels(self, r: int) -> int:
        """Channels at resolution r."""
        return min(self.channel_base // r, self.channel_max)

    def blocks_at(self, r: int) -> int:
        """Blocks at resolution r."""
        return at_resolution(self.blocks, r)


def resolutions(largest: int) -> list[int]:
    """4, 8, ... largest."""
    return [1 << i for i in range(FIRST.bit_length() - 1, largest.bit_length())]


def at_resolution(values: tuple[int, ...], r: int) -> int:
    """The entry of resolution r in a list for 4, 8, 16, ... px, whose last one goes on for ever."""
    return values[min(r.bit_length() - FIRST.bit_length(), len(values) - 1)]


def _check_channels(channel_base: int, resolution: int) -> None:
    if channel_base < resolution:
        raise ValueError(f"channel_base {channel_base} leaves no channel at {resolution} px")


def _check_heads(attention: dict[int, int], head_dim: int, channels: Callable[[int], int]) -> None:
    for r in attention:
        if channels(r) % max(
            1, min(head_dim, channels(r))
        ):  # none at sizes beyond the base, which are not built
            raise ValueError(
                f"attention at {r} px: {channels(r)} channels are no multiple of head_dim {head_dim}"
            )
