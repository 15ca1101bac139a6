"""Losses, as recipe sections. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from t2igan.config import Config
from t2igan.features.config import LpipsConfig, PerceptualConfig, SmallClipTowerConfig


class ClipGuidanceConfig(Config):
    """The frozen CLIP image tower whose spherical distance to the caption guides G."""

    model: str = "ViT-L-14"
    """open_clip model name."""
    pretrained: str | None = "openai"
    """open_clip pretrained tag or a local weights file."""
    quick_gelu: bool | None = None
    """Activation; null = what the tag needs. Local OpenAI weights need true."""


class ProjectedGANConfig(Config):
    """StyleGAN-T's loss: hinge on a projected discriminator, CLIP guidance, blur that fades."""

    kind: Literal["projected_gan"] = "projected_gan"
    """Kind of loss."""
    blur_init_sigma: float = Field(default=32.0, ge=0)
    """Blur of everything D sees at the start, in pixels; falls linearly to 0."""
    blur_fade_kimg: float = Field(default=1000.0, ge=0)
    """Thousands of images until the blur is gone; 0 = no blur."""
    clip_weight: float = Field(default=0.0, ge=0)
    """Weight of the squared spherical distance, relative to the mean adversarial term. The official code divides only
    the adversarial term by the micro-batch, so its 0.2 at micro-batch 8 is 1.6 here."""
    guide: SmallClipTowerConfig | ClipGuidanceConfig | None = None
    """Network of the CLIP guidance; null where clip_weight is 0."""
    mismatch_weight: float = Field(default=0.0, ge=0)
    """Weight of real images with another image's caption, shown to D as fakes; 0 is official."""
    shared_fakes: bool = False
    """One generator pass and one backbone pass a step for both phases: about a quarter faster. G steps first, and D
    learns on the same images. false is official: D first, on images of its own."""
    noise_mode: Literal["random", "const", "none"] = "random"
    """Layer noise of generated images in training."""


class GigaGANLossConfig(Config):
    """GigaGAN's loss: non-saturating on every size and depth, wrong captions, lazy R1, CLIP contrast, second discriminator."""

    kind: Literal["gigagan"] = "gigagan"
    """Kind of loss."""
    r1_gamma: float = Field(default=0.2048, ge=0)
    """Weight of R1 on real images, twice that of the squared gradient norm; 0 = none. The paper raises it to 2.048."""
    r1_every: int = Field(default=16, ge=1)
    """Steps between two R1 terms, each so many times as heavy."""
    match_weight: float = Field(default=1.0, ge=0)
    """Weight of images with another image's caption, shown to D as fakes; 0 = none."""
    match_generated: bool = True
    """Whether generated images get wrong captions too, besides real ones."""
    match_weight_g: float = Field(default=0.0, ge=0)
    """Weight in G of verdicts on its images with wrong captions. It rewards fitting the wrong caption: 0 is our choice."""
    full_weight: float = Field(default=2.0, gt=0)
    """Weight of the largest image, where each smaller size counts 1."""
    early_weight: float = Field(default=0.01, ge=0)
    """Weight of verdicts before the last depth."""
    early_match_weight: float = Field(default=0.05, ge=0)
    """The same for wrong captions."""
    clip_weight: float = Field(default=0.0, ge=0)
    """Weight of the contrast between a generated image and all captions of the batch; the paper's rises from 0.2 to 1."""
    clip_scale: float = Field(default=100.0, gt=0)
    """Factor on cosines inside that contrast; 100 is CLIP's own."""
    guide: SmallClipTowerConfig | ClipGuidanceConfig | None = None
    """Frozen image tower of that contrast, of the conditioner's model; null where clip_weight is 0."""
    vision_weight: float = Field(default=1.0, ge=0)
    """Weight of the second discriminator, where discriminator.vision_aided is set."""
    shared_fakes: bool = False
    """One generator pass a step for both phases: G steps first, and D learns on the same images."""
    noise_mode: Literal["random", "const", "none"] = "random"
    """Layer noise of generated images in training."""


class GigaGANUpsamplerLossConfig(GigaGANLossConfig):
    """The loss of GigaGAN's upsampler: that of the generator, and likeness to the image that was made small."""

    kind: Literal["gigagan_upsampler"] = "gigagan_upsampler"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Kind of loss."""
    full_weight: float = Field(default=1.0, gt=0)
    """Weight of the largest image, where each smaller size counts 1."""
    early_weight: float = Field(default=0.1, ge=0)
    """Weight of verdicts before the last depth."""
    early_match_weight: float = Field(default=0.1, ge=0)
    """The same for wrong captions."""
    perceptual_weight: float = Field(default=10.0, ge=0)
    """Weight of the perceptual distance to the real image, LPIPS in the paper; 0 = none."""
    perceptual: PerceptualConfig | None = Field(default_factory=LpipsConfig)
    """Frozen network of that distance; null where perceptual_weight is 0."""
    pixel_weight: float = Field(default=0.0, ge=0)
    """Weight of the distance of pixels, in units of [-1, 1]; 0 = none, as in the paper."""
    pixel: Literal["l1", "l2"] = "l1"
    """That distance: mean absolute or mean squared difference."""


class ClipContrastiveConfig(Config):
    """Symmetric contrastive loss of CLIP; equal captions share their targets."""

    kind: Literal["clip_contrastive"] = "clip_contrastive"
    """Kind of loss."""
    max_logit_scale: float = Field(default=100.0, gt=0)
    """The learned temperature's upper bound."""


class AttributesConfig(Config):
    """Cross-entropy on ground-truth attributes: trains the judge."""

    kind: Literal["attributes"] = "attributes"
    """Kind of loss."""
    noise: float = Field(default=0.1, ge=0)
    """Largest std of the noise that is added to training images, in units of [-1, 1]."""


LossConfig = Annotated[
    ProjectedGANConfig
    | GigaGANLossConfig
    | GigaGANUpsamplerLossConfig
    | ClipContrastiveConfig
    | AttributesConfig,
    Field(discriminator="kind"),
]
