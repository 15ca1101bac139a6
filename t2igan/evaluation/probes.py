"""What networks see of pictures: named rows, one a picture. Which metrics are made of them is metric.py's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from t2igan.clip_scorer import Scorer, build_scorer
from t2igan.features import build_extractor
from t2igan.features.extractor import Extractor
from t2igan.metrics.config import FeaturesConfig, ScorerConfig

Resize = Literal["own", "open_clip", "bicubic_no_antialias"]


@dataclass(frozen=True)
class PairRecipe:
    """How pictures and captions reach a CLIP."""

    images: Resize = "own"
    """`own` = our resize of batches; `open_clip` = the model's published one, with Pillow; `bicubic_no_antialias` =
    straight to the network's size, without rounding or clamping, StyleGAN-T's."""
    prefix: str = ""
    """Comes before every caption."""

    @property
    def text(self) -> str:
        """For results and cache keys."""
        before = f", captions after {self.prefix!r}" if self.prefix else ""
        return "image and caption" if self == PairRecipe() else f"image by {self.images}{before}"


OWN_WAY = PairRecipe()


class Probe(Protocol):
    """A frozen network.

    Attributes:
        name: network and weights.
        protocol: how it prepares images.
        needs_captions: whether it compares pictures with their captions.
    """

    name: str
    protocol: str
    needs_captions: bool

    def to(self, device: str | torch.device) -> None:
        """Move the network."""
        ...

    def __call__(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """uint8 images [N, 3, H, W] and N captions -> name -> float32 [N, D] on the CPU."""
        ...


class FeatureProbe:
    """Image features, as `features`."""

    needs_captions = False

    def __init__(self, config: FeaturesConfig) -> None:
        """Load the network.

        Raises:
            WeightsError: if its weights are not on this machine.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # for networks without weights, which tests use
            self._extractor: Extractor = build_extractor(config)
        self.name, self.protocol = self._extractor.name, self._extractor.protocol

    def to(self, device: str | torch.device) -> None:
        """Move the network."""
        self._extractor.to(device)

    def __call__(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """uint8 images [N, 3, H, W] -> {"features": [N, D]}."""
        return {"features": self._extractor(images).float().cpu()}


class PairProbe:
    """Embeddings of images and of their captions by one CLIP, as `image` and `text`."""

    needs_captions = True

    def __init__(self, config: ScorerConfig, recipe: PairRecipe = OWN_WAY) -> None:
        """Load the network.

        Raises:
            WeightsError: if its weights are not on this machine.
        """
        self._scorer: Scorer = build_scorer(config)
        self._recipe, self._device = recipe, torch.device("cpu")
        self.name, self.protocol = self._scorer.name, self._recipe.text

    def to(self, device: str | torch.device) -> None:
        """Move the network."""
        self._scorer.to(device)
        self._device = torch.device(device)

    def __call__(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """uint8 images [N, 3, H, W] and N captions -> {"image": [N, D], "text": [N, D]}."""
        texts = [self._recipe.prefix + caption for caption in captions]
        image, text = self._embed_images(images), self._scorer.embed_texts(texts)
        return {"image": image.float().cpu(), "text": text.float().cpu()}

    def _embed_images(self, images: Tensor) -> Tensor:
        if self._recipe.images == "own":
            return self._scorer.embed_images(images)
        if self._recipe.images == "open_clip":
            pictures = [Image.fromarray(image.permute(1, 2, 0).cpu().numpy()) for image in images]
            return self._scorer.embed_prepared(torch.stack([self._scorer.prepare(p) for p in pictures]))
        size = (self._scorer.image_size,) * 2
        x = images.to(self._device, torch.float32)
        return self._scorer.embed_prepared(F.interpolate(x, size=size, mode="bicubic", align_corners=False))
