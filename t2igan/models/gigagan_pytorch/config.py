"""What a generator of gigagan-pytorch is made of. Torch-free. Nothing here is trained by t2igan."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from t2igan.config import Config

Count = Annotated[int, Field(ge=1, le=1024)]
Width = Annotated[int, Field(ge=1, le=1 << 16)]
FIRST = 4  # pixels of the learned constant


class HeadsConfig(Config):
    """Shape of an attention layer and of the feed-forward after it."""

    heads: Count = 8
    """Attention heads."""
    head_dim: Width = 64
    """Width of a head."""
    widening: Count = 4
    """Hidden width of the feed-forward over the channels."""


class PortTextConfig(Config):
    """Learned text layers on frozen CLIP tokens."""

    depth: Count = 4
    """Layers."""
    heads: Count = 8
    """Attention heads."""
    head_dim: Width = 64
    """Width of a head."""


class GigaGANPytorchConfig(Config):
    """A generator of gigagan-pytorch; the numbers are read off its tensors."""

    arch: Literal["gigagan_pytorch"] = "gigagan_pytorch"
    """Architecture name."""
    w_dim: Width = 512
    """Length of w, and of the latent z."""
    c_dim: int = Field(default=512, ge=0, le=1 << 16)
    """Width of the frozen text tokens, which must equal the conditioner's; 0 = there are no text layers."""
    text_width: int = Field(default=512, ge=0, le=1 << 16)
    """Width of the learned text layers; 0 = unconditional."""
    text: PortTextConfig | None = Field(default_factory=PortTextConfig)
    """Learned text layers; null = there are none."""
    mapping_layers: Count = 4
    """Layers of the mapping MLP."""
    mapping_lr_multiplier: float = Field(default=0.1, gt=0, le=1e3)
    """Factor on the weights and biases of the mapping MLP."""
    const_channels: Width = 512
    """Channels of the learned constant."""
    channels: tuple[Width, ...] = Field(default=(512, 256, 128, 64, 32), min_length=2, max_length=10)
    """Channels at 4, 8, 16, ... px; as many numbers as there are sizes."""
    kernels: Count = 2
    """Kernels in the bank of each convolution."""
    self_attention: tuple[int, ...] = (16, 32)
    """Sizes in pixels with self-attention."""
    self_heads: HeadsConfig = Field(default_factory=HeadsConfig)
    """Shape of self-attention."""
    logits: Literal["dot", "l2"] = "dot"
    """Self-attention's logits: products of queries and keys, or negative squared distances of tied ones."""
    cross_attention: tuple[int, ...] = (16, 32)
    """Sizes in pixels with cross-attention to the text."""
    cross_heads: HeadsConfig = Field(default_factory=HeadsConfig)
    """Shape of cross-attention."""
    upsample: Literal["blur", "pixel_shuffle"] = "blur"
    """Doubling: bilinear and a blur, or a learned 1x1 convolution."""
    excite_ahead: int = Field(default=0, ge=0, le=10)
    """How many sizes above its own a map scales channels (squeeze and excitation); 0 = not at all."""

    reads_tokens: ClassVar[bool] = True

    @model_validator(mode="after")
    def _parts_fit(self) -> GigaGANPytorchConfig:
        if (self.text is None) != (self.c_dim == 0):
            raise ValueError("c_dim is 0 exactly where there are no text layers")
        if self.text_width == 0 and (self.text is not None or self.cross_attention):
            raise ValueError(
                "text_width 0 leaves nothing to look at, but there are text layers or cross-attention"
            )
        return self

    @property
    def z_dim(self) -> int:
        """Length of the latent."""
        return self.w_dim

    @property
    def resolutions(self) -> list[int]:
        """4, 8, ... pixels."""
        return [FIRST << i for i in range(len(self.channels))]

    @property
    def resolution(self) -> int:
        """Output size in pixels."""
        return self.resolutions[-1]
