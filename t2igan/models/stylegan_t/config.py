"""What a StyleGAN-T generator is made of. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from t2igan.config import Config

GROUPS = 32  # of the GroupNorm in residual layers


class StyleGANTConfig(Config):
    """StyleGAN-T generator; `lite` is the default, `full` has channel_base 65536, channel_max 2048, num_res_blocks 3."""

    arch: Literal["stylegan_t"] = "stylegan_t"
    """Architecture name."""
    z_dim: int = Field(default=64, ge=1, le=65536)
    """Length of the latent z."""
    c_dim: int = Field(default=768, ge=0, le=65536)
    """Length of the pooled text embedding; 0 = unconditional. Must equal the conditioner's."""
    resolution: int = Field(default=64, ge=8, le=8192)
    """Output size in pixels, a power of two; stages override it."""
    channel_base: int = Field(default=32768, ge=32, le=1 << 20)
    """Channels at resolution r are min(channel_base // r, channel_max)."""
    channel_max: int = Field(default=512, ge=8, le=16384)
    """Most channels of any layer."""
    channels_per_resolution: dict[int, int] | None = None
    """Channels of each resolution, instead of the formula; for imported models that follow none."""
    num_res_blocks: int = Field(default=2, ge=0, le=64)
    """Pairs of (plain, residual) convolutions in each block."""
    mapping_layers: int = Field(default=2, ge=1, le=64)
    """Layers of the mapping MLP."""
    mapping_lr_multiplier: float = Field(default=0.01, gt=0)
    """Learning-rate multiplier of the mapping MLP."""
    text_gain: float = Field(default=1.0, gt=0)
    """Factor on the unit-length text embedding inside w. 1 is the official scale, at which z moves the styles 8 times
    more than the text at initialisation (spec D30); sqrt(c_dim) makes both equal."""
    rgb_gain: float = Field(default=1.0, gt=0)
    """Factor on the initial toRGB weights; 1 is official."""
    noise: bool = True
    """Whether layers add noise (strength starts at 0 and is learned)."""
    average_updates: Literal["per_step", "per_call"] = "per_step"
    """When the moving average of the mapping output moves: once a step from the whole batch of all ranks, or on every
    training-mode call as the official code does (spec D19)."""
    num_fp16_res: int = Field(default=4, ge=0)
    """How many of the highest resolutions run in float16 under train.precision fp16; lower ones then stay float32.
    bfloat16 has float32's range and is used in all."""
    conv_clamp: float | None = 256.0
    """Activations are clamped to +-conv_clamp; null switches it off."""

    reads_tokens: ClassVar[bool] = False

    @model_validator(mode="after")
    def _shapes_fit(self) -> StyleGANTConfig:
        if self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution {self.resolution} is not a power of two")
        if self.channels_per_resolution is not None:
            missing = set(self.resolutions) - set(self.channels_per_resolution)
            if missing:
                raise ValueError(
                    f"channels_per_resolution lacks {min(missing)} px; it needs {self.resolutions}"
                )
        for r in self.resolutions:
            if self.num_res_blocks and self.channels(r) % GROUPS:
                raise ValueError(
                    f"{self.channels(r)} channels at {r} px are no multiple of {GROUPS}, which the group norm of the "
                    f"residual layers needs; change channel_base or channel_max"
                )
        return self

    @property
    def resolutions(self) -> list[int]:
        """Block resolutions: 8, 16, ... resolution."""
        return [1 << i for i in range(3, self.resolution.bit_length())]

    @property
    def w_dim(self) -> int:
        """Length of w: z part, then text part."""
        return self.z_dim + self.c_dim

    def has_half(self, r: int) -> bool:
        """Whether the block at resolution r may run in float16."""
        return r in self.resolutions[max(len(self.resolutions) - self.num_fp16_res, 0) :]

    def channels(self, r: int) -> int:
        """Channels at resolution r."""
        if self.channels_per_resolution is not None:
            return self.channels_per_resolution[r]
        return min(self.channel_base // r, self.channel_max)
