"""What a run measures as it goes, and with which frozen networks, as recipe sections. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from t2igan.config import Config

INCEPTION_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"

InceptionResize = Literal["clean", "legacy_tensorflow", "legacy_pytorch"]
Psi = Annotated[float, Field(ge=-2, le=2)]


class InceptionConfig(Config):
    """Inception-v3 of 2015 as TorchScript: the features of `fid`, comparable with papers of the same resize."""

    kind: Literal["inception"] = "inception"
    """Kind of feature network."""
    weights: str | None = None
    """Path of inception-2015-12-05.pt; null = look in the folder $T2IGAN_WEIGHTS."""
    sha256: str = Field(default=INCEPTION_SHA256, pattern=r"^[0-9a-f]{64}$")
    """Checksum that the file must have. With another file set its own, and call the result by another name than FID."""
    resize: InceptionResize = "clean"
    """`clean` = antialiased bicubic; `legacy_tensorflow` = the network's own bilinear without antialias, StyleGAN-T's;
    `legacy_pytorch` = torch's, pytorch-fid's."""


class DinoFeaturesConfig(Config):
    """The pooled output of a timm vision transformer at its own input size: `fd_MODEL`. DINOv2 is at 224 px, as published."""

    kind: Literal["dino"] = "dino"
    """Kind of feature network."""
    model: str = "vit_large_patch14_dinov2.lvd142m"
    """timm model name."""
    pretrained: bool = True
    """False = random weights, for tests only."""
    weights: str | None = None
    """Local file with the weights, instead of timm's download."""


class ClipFeaturesConfig(Config):
    """An open_clip model: `fd_MODEL_TAG` by its image tower, `clip_score_MODEL_TAG` by both."""

    kind: Literal["clip"] = "clip"
    """Kind of network."""
    model: str = "ViT-g-14"
    """open_clip model name, or the path of an open_clip model-config JSON."""
    pretrained: str | None = "laion2b_s12b_b42k"
    """open_clip pretrained tag or a local weights file; null = random weights, for tests only."""
    quick_gelu: bool | None = None
    """Activation; null = what the tag needs. Local OpenAI weights need true."""


class SmallClipFeaturesConfig(Config):
    """A small CLIP trained by t2igan: `fd_small_clip` by its image tower, `clip_score_small_clip` by both."""

    kind: Literal["small_clip"] = "small_clip"
    """Kind of network."""
    checkpoint: str = "embedded:shapes_scorer"
    """A checkpoint of kind `clip`, or embedded:NAME for one inside the package."""


class JudgeFeaturesConfig(Config):
    """A judge trained by t2igan: `fd_judge`."""

    kind: Literal["judge"] = "judge"
    """Kind of feature network."""
    checkpoint: str = "embedded:shapes_judge"
    """A checkpoint of kind `judge`, or embedded:NAME for one inside the package."""


class RandomConvFeaturesConfig(Config):
    """A weightless convolutional network with a fixed seed, for tests and smoke runs: `fd_random_conv`."""

    kind: Literal["random_conv"] = "random_conv"
    """Kind of feature network."""


FeaturesConfig = Annotated[
    InceptionConfig
    | DinoFeaturesConfig
    | ClipFeaturesConfig
    | SmallClipFeaturesConfig
    | JudgeFeaturesConfig
    | RandomConvFeaturesConfig,
    Field(discriminator="kind"),
]
ScorerConfig = Annotated[ClipFeaturesConfig | SmallClipFeaturesConfig, Field(discriminator="kind")]


class MetricsConfig(Config):
    """What a GAN's run measures of its averaged generator as it goes."""

    every_kimg: float = Field(default=400.0, gt=0)
    """Thousands of images between two measurements; the end of a stage is measured too."""
    num_images: int = Field(default=10_000, ge=2)
    """Images to generate for each psi, over all ranks; captions are those of the first training samples."""
    reference_images: int = Field(default=50_000, ge=2)
    """Training images to compare with: the first of the stream, at most all there are."""
    features: FeaturesConfig = Field(default_factory=InceptionConfig)
    """Network of the Frechet distance."""
    clip: ScorerConfig | None = None
    """Network of the CLIP score, which must not train, criticise or guide the generator; null = no score."""
    psi: tuple[Psi, ...] = Field(default=(1.0,), min_length=1)
    """Truncations to measure at; the first one decides which snapshot is the best."""
    psi_grid: tuple[Psi, ...] = (1.0, 0.7, 0.4, 0.1)
    """Columns of the picture samples/psi_*.png, whose rows are prompts; empty = no picture."""
    best: str | None = None
    """Metric that decides which generator is kept as snapshots/best.safetensors: a distance by its smallest value, a CLIP
    score by its largest. null = none is kept."""
