"""What an AuraSR upsampler is made of. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from t2igan.config import Config

Factor = Annotated[int, Field(ge=1, le=1024)]
Depth = Annotated[int, Field(ge=0, le=64)]


class AuraSRConfig(Config):
    """AuraSR: an asymmetric U-Net without text; the defaults are those of both published models."""

    arch: Literal["aura_sr"] = "aura_sr"
    """Architecture name."""
    resolution: int = Field(default=64, ge=1, le=1024)
    """Side of the images that it was trained to read, in pixels."""
    dim: int = Field(default=64, ge=1, le=4096)
    """Width at the output resolution; the other widths are multiples of it."""
    up_mults: tuple[Factor, ...] = Field(default=(1, 2, 4, 8, 16), min_length=2, max_length=12)
    """Width at the output resolution, half of it, ... over `dim`, down to the bottom."""
    down_mults: tuple[Factor, ...] = Field(default=(4, 8, 16), min_length=1, max_length=11)
    """The same of the way down, after each halving."""
    num_blocks: int = Field(default=6, ge=1, le=64)
    """Residual blocks of each stage."""
    num_kernels: int = Field(default=4, ge=1, le=64)
    """Kernels that each adaptive convolution mixes."""
    up_attention: tuple[Depth, ...] = (4, 2, 0, 0, 0)
    """Transformer layers of each stage upwards, from the bottom."""
    down_attention: tuple[Depth, ...] = (0, 0, 0)
    """Transformer layers of each stage downwards, from the input resolution."""
    mid_attention: Depth = 4
    """Transformer layers at the bottom."""
    num_heads: int = Field(default=8, ge=1, le=1024)
    """Heads of the attention."""
    head_dim: int = Field(default=64, ge=1, le=4096)
    """Width of a head."""
    z_dim: int = Field(default=128, ge=1, le=1 << 16)
    """Length of the latent z."""
    w_dim: int = Field(default=512, ge=1, le=1 << 16)
    """Length of w, which all adaptive convolutions read."""
    mapping_layers: int = Field(default=4, ge=1, le=64)
    """Layers of the mapping MLP."""
    mapping_lr_multiplier: float = Field(default=0.1, gt=0, le=1e3)
    """Factor on the weights and biases of the mapping MLP."""
    skip_scale: float = Field(default=0.4, ge=-1e3, le=1e3)
    """Factor on the maps of the way down where the way up reads them."""

    @model_validator(mode="after")
    def _stages_meet(self) -> AuraSRConfig:
        if len(self.down_mults) >= len(self.up_mults):
            raise ValueError(
                f"{len(self.down_mults)} stages down and {len(self.up_mults)} up enlarge nothing"
            )
        if self.down_mults[-1] != self.up_mults[-1]:
            raise ValueError(
                f"the way down ends at width {self.down_mults[-1]}, the way up begins at {self.up_mults[-1]}"
            )
        if self.resolution % self.multiple:
            raise ValueError(f"resolution {self.resolution} is no multiple of {self.multiple}")
        depths = (len(self.down_attention), len(self.up_attention))
        if depths != (len(self.down_mults), len(self.up_mults)):
            raise ValueError("down_attention and up_attention must have one number for each stage")
        return self

    @property
    def scale(self) -> int:
        """Factor on both sides of a picture."""
        return 1 << (len(self.up_mults) - len(self.down_mults))

    @property
    def multiple(self) -> int:
        """Sides of its input are multiples of this."""
        return 1 << len(self.down_mults)

    @property
    def up_widths(self) -> tuple[int, ...]:
        """Channels at the bottom, then after each stage upwards."""
        return (*(self.dim * mult for mult in reversed(self.up_mults)), self.dim)

    @property
    def down_widths(self) -> tuple[int, ...]:
        """Channels of the first convolution, then after each stage downwards."""
        # the way down begins as wide as the way up is when it is back at this resolution
        return (
            self.up_widths[len(self.down_mults)],
            *(self.dim * mult for mult in self.down_mults),
        )
