"""What a GigaGAN upsampler is made of. Torch-free. Where the paper is silent, docs/gigagan.md says what was chosen."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from t2igan.config import Config
from t2igan.models.gigagan.config import LARGEST, Count, Depth, TextLayersConfig, Width


class GigaGANUpsamplerConfig(Config):
    """GigaGAN upsampler; the defaults enlarge 64 px to 512 px, with 358.4 M parameters where the paper has 359.1 M.

    Lists go from the bottom of the U, its smallest feature map, by doublings up to the output. The bottom is as many
    halvings below the input as `widths` is longer than the doublings of `scale`, less one.
    """

    arch: Literal["gigagan_upsampler"] = "gigagan_upsampler"
    """Architecture name."""
    z_dim: int = Field(default=128, ge=1, le=1 << 14)
    """Length of the latent z."""
    w_dim: int = Field(default=512, ge=8, le=1 << 14)
    """Length of w."""
    c_dim: int = Field(default=768, ge=0, le=1 << 16)
    """Width of the frozen text tokens, which must equal the conditioner's; 0 = reads no text."""
    resolution: int = Field(default=512, ge=8, le=LARGEST)
    """Size of the output in training, in pixels; stages override it. Images of any size can be enlarged later."""
    scale: int = Field(default=8, ge=2, le=1024)
    """Factor on both sides, a power of two."""
    text: TextLayersConfig = Field(default_factory=lambda: TextLayersConfig(depth=2))
    """Learned text layers, where text is read."""
    mapping_layers: Count = 4
    """Layers of the mapping MLP."""
    mapping_lr_multiplier: float = Field(default=0.01, gt=0, le=1e3)
    """Learning-rate multiplier of the mapping MLP."""
    widths: tuple[Width, ...] = Field(default=(512, 512, 512, 512, 256, 128, 64), max_length=12)
    """Channels at each size, from the bottom up."""
    down_blocks: Count = 1
    """Residual blocks of two convolutions at each size on the way down, the last of which halves the size."""
    blocks: tuple[Count, ...] = Field(default=(1, 3, 4), min_length=1, max_length=12)
    """Blocks of two adaptive convolutions at each size on the way up. The first doubles the size and reads the map of the
    way down, those after it are residual. The last number holds for all larger sizes."""
    kernels: tuple[Count, ...] = Field(default=(4,), min_length=1, max_length=12)
    """Kernels in the bank of each convolution on the way up; 1 = no selection. Continues as `blocks`."""
    attention: tuple[Depth, ...] = Field(default=(2, 2, 1), max_length=12)
    """Pairs of self-attention and, where text is read, cross-attention; none at sizes beyond the list."""
    head_dim: int = Field(default=64, ge=4, le=4096)
    """Channels of an attention head."""
    block_gain: float = Field(default=0.4, gt=0, le=1e3)
    """Factor on residual blocks."""
    attention_gain: float = Field(default=0.3, gt=0, le=1e3)
    """Factor on what attention and its feed-forward add."""
    noise_max: float = Field(default=0.3, ge=0, lt=1)
    """Largest strength s of the noise on its input in training: sqrt(1 - s^2) image + s noise, s uniform from 0 on."""
    noise_eval: float = Field(default=0.05, ge=0, lt=1)
    """Strength of that noise where images are enlarged."""
    downsample: Literal["area", "bicubic"] = "area"
    """How images are made small in training: means of whole squares of pixels, or antialiased bicubic."""
    conv_clamp: float | None = 256.0
    """Activations are clamped to +-conv_clamp; null switches it off."""

    noise: ClassVar[bool] = False  # layers add none: it would belong to one size of images

    @model_validator(mode="after")
    def _shapes_fit(self) -> GigaGANUpsamplerConfig:
        if self.scale & (self.scale - 1):
            raise ValueError(f"scale {self.scale} is not a power of two")
        if self.halvings < 1:
            least = self.scale.bit_length() + 1
            raise ValueError(
                f"widths: {len(self.widths)} sizes, but scale {self.scale} needs {least} or more"
            )
        if self.resolution % (self.scale * self.multiple):
            raise ValueError(f"resolution {self.resolution} is no multiple of {self.scale * self.multiple}")
        if self.noise_eval > self.noise_max:
            raise ValueError(f"noise_eval {self.noise_eval:g} is more than noise_max {self.noise_max:g}")
        for width, pairs in zip(self.widths, self.attention, strict=False):
            if pairs and width % min(self.head_dim, width):
                raise ValueError(f"attention: {width} channels are no multiple of head_dim {self.head_dim}")
        return self

    @property
    def reads_tokens(self) -> bool:
        """Whether it reads text."""
        return self.c_dim > 0

    @property
    def cross_attention(self) -> bool:
        """Whether attention pairs look at text tokens."""
        return self.reads_tokens

    @property
    def halvings(self) -> int:
        """Of the input, down to the bottom."""
        return len(self.widths) - self.scale.bit_length()

    @property
    def multiple(self) -> int:
        """Sides of the input are multiples of this."""
        return 1 << self.halvings

    @property
    def sizes(self) -> list[int]:
        """Sides of the feature maps in training, from the bottom up."""
        return [self.resolution >> i for i in range(len(self.widths))][::-1]

    def channels(self, r: int) -> int:
        """Channels at size r."""
        return self.widths[self.sizes.index(r)]

    def blocks_at(self, r: int) -> int:
        """Blocks at size r on the way up."""
        return self.blocks[min(self.sizes.index(r), len(self.blocks) - 1)]

    def kernels_at(self, r: int) -> int:
        """Kernels of a bank at size r."""
        return self.kernels[min(self.sizes.index(r), len(self.kernels) - 1)]

    def attention_at(self, r: int) -> int:
        """Attention pairs at size r."""
        level = self.sizes.index(r)
        return self.attention[level] if level < len(self.attention) else 0
