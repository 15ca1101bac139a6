"""Image-caption agreement by a CLIP that is kept for scoring. Not the text encoder, critic or guide of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from t2igan import checkpoint
from t2igan.features.clip import OpenClipScorer
from t2igan.features.conv_tower import embed_images, load_tower, to_unit
from t2igan.metrics.config import ClipFeaturesConfig, ScorerConfig
from t2igan.text.config import SmallClipTextConfig
from t2igan.text.small_clip import SmallClipText

DEFAULT_SCORER = "embedded:shapes_scorer"
LARGE = 16  # times the tower's size


class Scorer(Protocol):
    """A CLIP that measures. Embeddings [N, D] of images and of captions; whoever compares them normalises.

    Attributes:
        name: network and weights.
        dim: length of an embedding.
        image_size: side of the image tower's square input.
    """

    name: str
    dim: int
    image_size: int

    def to(self, device: str | torch.device) -> None:
        """Move what profits from it."""
        ...

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 images [N, 3, H, W] -> [N, D] float32."""
        ...

    def embed_texts(self, captions: Sequence[str]) -> Tensor:
        """N captions -> [N, D] float32."""
        ...

    def prepare(self, picture: Image.Image) -> Tensor:
        """An RGB picture of any size -> the network's input size, on the CPU; safe in several threads."""
        ...

    def embed_prepared(self, prepared: Tensor) -> Tensor:
        """What `prepare` gave, stacked -> [N, D] float32."""
        ...

    def weights_hash(self) -> str:
        """16 hexadecimal digits of all weights."""
        ...


def build_scorer(config: ScorerConfig) -> Scorer:
    """The scorer that a recipe names, on the CPU.

    Raises:
        WeightsError: if its weights are not on this machine.
        CheckpointError: if its checkpoint cannot be read.
    """
    if isinstance(config, ClipFeaturesConfig):
        return OpenClipScorer(config)
    return ClipScorer(config.checkpoint)


class ClipScorer:
    """uint8 images [N, 3, H, W] and N captions -> cosines [N] float32, by a small CLIP."""

    def __init__(self, checkpoint: str) -> None:
        """Read both towers of a checkpoint of kind `clip`.

        Raises:
            CheckpointError: if it is missing, damaged or of another kind.
        """
        self._image = load_tower(checkpoint)
        self._text = SmallClipText(SmallClipTextConfig(checkpoint=checkpoint), {})
        self._device = torch.device("cpu")
        self.dim, self.image_size = self._text.dim, self._image.image_size
        self.fingerprint = self.name = self._text.fingerprint  # of the text tower, as a conditioner's

    def to(self, device: str | torch.device) -> None:
        """Move the image tower; the text tower is small and stays on the CPU."""
        self._image.to(device)
        self._device = torch.device(device)

    def __call__(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        """Cosine of each image with its caption."""
        return (self.embed_images(images).cpu() * self.embed_texts(captions)).sum(dim=1)

    @torch.no_grad()
    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 images [N, 3, H, W] -> unit-length embeddings [N, D]."""
        return embed_images(self._image, to_unit(images.to(self._device)))

    def prepare(self, picture: Image.Image) -> Tensor:
        """Cut the largest centred square and shrink it by area; float32 [3, S, S], 0 .. 255.

        As the tower does it with uint8 images, but for squares of 16 times its size: whole blocks of their pixels are
        averaged first, as float copies of them would fill the memory.
        """
        size, side = self._image.image_size, min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).reduce(max(1, side // (LARGE * size)))
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).to(torch.float32)
        return F.interpolate(pixels[None], size=(size, size), mode="area")[0]

    def embed_prepared(self, prepared: Tensor) -> Tensor:
        """What `prepare` gave, stacked [N, 3, S, S] -> unit-length embeddings [N, D]."""
        return self.embed_images(prepared)

    def weights_hash(self) -> str:
        """16 hexadecimal digits of both towers."""
        image = {f"image.{key}": value for key, value in self._image.state_dict().items()}
        return checkpoint.fingerprint(image | self._text.tower().state_dict())

    def embed_texts(self, captions: Sequence[str]) -> Tensor:
        """N captions -> unit-length embeddings [N, D]."""
        embed = self._text(captions).embed
        assert embed is not None
        return embed


def load_scorer(checkpoint: str = DEFAULT_SCORER) -> ClipScorer:
    """The scorer of a checkpoint of kind `clip`.

    Raises:
        CheckpointError: if it is missing, damaged or of another kind.
    """
    return ClipScorer(checkpoint)
