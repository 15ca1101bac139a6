"""Frozen image networks, as recipe sections. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from t2igan.config import Config


class DinoConfig(Config):
    """A timm vision transformer with token taps, StyleGAN-T's choice."""

    kind: Literal["dino"] = "dino"
    """Kind of backbone."""
    model: str = "vit_small_patch16_224.dino"
    """timm model name."""
    pretrained: bool = True
    """False = random weights, for tests only."""
    weights: str | None = None
    """Local safetensors file with the weights, instead of timm's download."""
    image_size: int = Field(default=224, ge=16)
    """Side of the square input."""
    taps: tuple[int, ...] = (2, 5, 8, 11, -1)
    """Blocks (0-based) whose output tokens go to a head; -1 = the tokens before block 0."""


class SmallClipTowerConfig(Config):
    """The image tower of a small CLIP trained by t2igan (recipe shapes_clip)."""

    kind: Literal["small_clip"] = "small_clip"
    """Kind of backbone."""
    checkpoint: str = "embedded:shapes_clip"
    """A checkpoint of kind `clip`, or embedded:NAME for one inside the package."""
    taps: tuple[int, ...] = (1, 3, 4)
    """Convolution layers (0-based) whose output goes to a head."""
    pool: int | None = None
    """Feature maps larger than pool x pool are averaged down to it; null keeps them."""


class RandomConvConfig(Config):
    """A weightless convolutional network with a fixed seed: for tests and smoke runs."""

    kind: Literal["random_conv"] = "random_conv"
    """Kind of backbone."""
    image_size: int = Field(default=32, ge=8)
    """Side of the square input."""
    channels: tuple[int, ...] = (32, 64, 96)
    """Channels after each stride-2 convolution; each is a tap."""


class ClipTapsConfig(Config):
    """An open_clip vision transformer with patch maps, GigaGAN's choice for its second discriminator."""

    kind: Literal["clip"] = "clip"
    """Kind of backbone."""
    model: str = "ViT-B-32"
    """open_clip model name, or the path of an open_clip model-config JSON."""
    pretrained: str | None = "openai"
    """open_clip pretrained tag or a local weights file; null = random weights, for tests only."""
    quick_gelu: bool | None = None
    """Activation; null = what the tag needs. Local OpenAI weights need true."""
    taps: tuple[int, ...] = (2, 5, 8, 11)
    """Blocks (0-based) whose patch tokens go to a predictor."""


BackboneConfig = Annotated[
    DinoConfig | SmallClipTowerConfig | ClipTapsConfig | RandomConvConfig, Field(discriminator="kind")
]


class LpipsConfig(Config):
    """LPIPS 0.1: a perceptual distance that was fitted to people's judgements. Its weights are downloaded separately."""

    kind: Literal["lpips"] = "lpips"
    """Kind of distance."""
    net: Literal["vgg", "alex"] = "vgg"
    """Network whose features are compared: VGG16, usual for training, or AlexNet, usual for measuring."""
    backbone: str | None = None
    """Local file of that network: torchvision's .pth, or .safetensors with the same names (timm's vgg16.tv_in1k); null =
    torchvision's, in $T2IGAN_WEIGHTS."""
    linear: str | None = None
    """Local file of the weights of its channels: LPIPS's own .pth, or .safetensors with the same names; null = LPIPS's
    own, in $T2IGAN_WEIGHTS."""
    pretrained: bool = True
    """False = random weights, for tests only."""


PerceptualConfig = Annotated[LpipsConfig | SmallClipTowerConfig, Field(discriminator="kind")]


class ConvTowerConfig(Config):
    """A small convolutional image tower: the image side of the small CLIP, and the judge's trunk."""

    image_size: int = Field(default=32, ge=8)
    """Side of the square input."""
    channels: tuple[int, int, int] = (64, 96, 128)
    """Channels at 1/2, 1/4 and 1/8 of the input size."""
    embed_dim: int = Field(default=128, ge=8)
    """Length of the output embedding."""
