"""What networks see of pictures: named rows, one a picture. Which metrics are made of them is metric.py's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from t2igan.clip_scorer import Scorer, build_scorer
from t2igan.features import build_extractor
from t2igan.features.extractor import Extractor
from t2igan.metrics.config import FeaturesConfig, ScorerConfig


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

    def __init__(self, config: ScorerConfig) -> None:
        """Load the network.

        Raises:
            WeightsError: if its weights are not on this machine.
        """
        self._scorer: Scorer = build_scorer(config)
        self.name, self.protocol = self._scorer.name, "image and caption"

    def to(self, device: str | torch.device) -> None:
        """Move the network."""
        self._scorer.to(device)

    def __call__(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """uint8 images [N, 3, H, W] and N captions -> {"image": [N, D], "text": [N, D]}."""
        image, text = self._scorer.embed_images(images), self._scorer.embed_texts(captions)
        return {"image": image.float().cpu(), "text": text.float().cpu()}
