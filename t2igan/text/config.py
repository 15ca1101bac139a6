"""Text encoders, as recipe sections. Torch-free."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from t2igan.config import Config


class ClipTextConfig(Config):
    """Frozen open_clip text tower."""

    kind: Literal["clip_text"] = "clip_text"
    """Kind of conditioner."""
    model: str = "ViT-L-14"
    """open_clip model name, or the path of an open_clip model-config JSON."""
    pretrained: str | None = "openai"
    """open_clip pretrained tag or a local weights file; null = random weights, for tests only."""
    quick_gelu: bool | None = None
    """Activation; null = what the tag needs. Local OpenAI weights need true."""
    tokens: bool = False
    """Also give tokens, which GigaGAN's networks read."""
    token_layer: Literal["penultimate", "last"] = "penultimate"
    """Whose output the tokens are: the last layer but one's, as in GigaGAN's paper, or the last one's, as for weights of
    gigagan-pytorch."""


class TextTowerConfig(Config):
    """The trainable text tower of the small CLIP: open_clip's text transformer."""

    context_length: int = Field(default=32, ge=4)
    """Most tokens of a caption, start and end tokens included."""
    num_merges: int = Field(default=3000, ge=0)
    """BPE merges kept of open_clip's tokenizer; the vocabulary is num_merges + 514."""
    width: int = Field(default=128, ge=16)
    """Width of the transformer."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    layers: int = Field(default=3, ge=1)
    """Transformer blocks."""
    embed_dim: int = Field(default=128, ge=8)
    """Length of the output embedding; must equal the image tower's."""


class SmallClipTextConfig(Config):
    """The text tower of a small CLIP trained by t2igan (recipe shapes_clip)."""

    kind: Literal["small_clip"] = "small_clip"
    """Kind of conditioner."""
    checkpoint: str = "embedded:shapes_clip"
    """A checkpoint of kind `clip`, or embedded:NAME for one inside the package."""
    tower: TextTowerConfig | None = None
    """Geometry of the tower; written by checkpoints that carry the tower themselves, left out of recipes."""
    tokens: bool = False
    """Also give the tokens of the last layer but one, which GigaGAN's networks read."""


class HashingConfig(Config):
    """Weightless encoder: every word is a fixed random direction. For tests and smoke runs."""

    kind: Literal["hashing"] = "hashing"
    """Kind of conditioner."""
    dim: int = Field(default=64, ge=8)
    """Length of the embedding."""
    tokens: bool = False
    """Also give a token a word, which GigaGAN's networks read."""


class NoTextConfig(Config):
    """No text at all: for networks that read none (c_dim 0), such as an upsampler without prompts."""

    kind: Literal["none"] = "none"
    """Kind of conditioner."""

    tokens: ClassVar[bool] = False


ConditionerConfig = Annotated[
    ClipTextConfig | SmallClipTextConfig | HashingConfig | NoTextConfig, Field(discriminator="kind")
]
