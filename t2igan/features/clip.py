"""An open_clip model that measures: images -> features, images and captions -> embeddings. Not a text encoder of G."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from t2igan import checkpoint, weights
from t2igan.features.extractor import Extractor, bicubic
from t2igan.metrics.config import ClipFeaturesConfig


def clip_features(config: ClipFeaturesConfig) -> Extractor:
    """The image tower; its embedding before normalisation, as clean-fid's CLIP-FID takes it.

    Raises:
        WeightsError: if the model or tag is unknown, or the weights are not on this machine.
    """
    return _image_tower(_open(config), config)


class OpenClipScorer:
    """Both towers, for the CLIP score."""

    def __init__(self, config: ClipFeaturesConfig) -> None:
        """Find the weights.

        Raises:
            WeightsError: if the model or tag is unknown, or the weights are not on this machine.
        """
        self._model = _open(config)
        self._images = _image_tower(self._model, config)
        self._to_size, self._normalize = weights.open_clip_preparation(self._model)
        self._tokenizer = weights.open_clip_tokenizer(config.model)
        self._device = torch.device("cpu")
        self.name, self.dim = self._images.name, self._images.dim
        self.image_size = _size(self._model)

    def to(self, device: str | torch.device) -> None:
        """Move both towers."""
        self._model.to(device)
        self._images.to(device)
        self._device = torch.device(device)

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 images [N, 3, H, W] -> embeddings [N, D] float32, not normalised."""
        return self._images(images)

    def prepare(self, picture: Image.Image) -> Tensor:
        """A picture of any size -> uint8 [3, S, S], by open_clip's own evaluation transform; safe in several threads."""
        return torch.from_numpy(np.array(self._to_size(picture))).permute(2, 0, 1)

    @torch.no_grad()
    def embed_prepared(self, prepared: Tensor) -> Tensor:
        """What `prepare` gave, stacked [N, 3, S, S] -> embeddings [N, D] float32, not normalised."""
        images = prepared.to(self._device).to(torch.float32) / 255
        return self._model.encode_image(self._normalize(images)).float()

    def weights_hash(self) -> str:
        """16 hexadecimal digits of all weights."""
        return checkpoint.fingerprint(self._model.state_dict())

    @torch.no_grad()
    def embed_texts(self, captions: Sequence[str]) -> Tensor:
        """N captions -> embeddings [N, D] float32, not normalised; captions beyond the context are cut."""
        return self._model.encode_text(self._tokenizer(list(captions)).to(self._device)).float()


def _open(config: ClipFeaturesConfig) -> Any:
    model = weights.open_clip_model(config.model, pretrained=config.pretrained, quick_gelu=config.quick_gelu)
    return model.requires_grad_(False)


def _image_tower(model: Any, config: ClipFeaturesConfig) -> Extractor:
    told, size = model.visual.preprocess_cfg, _size(model)
    fingerprint = checkpoint.fingerprint(model.visual.state_dict())
    return Extractor(
        model.visual,
        bicubic(size, told["mean"], told["std"]),
        name=f"{config.model}-{config.pretrained}-{fingerprint}",
        protocol=f"bicubic {size} px",
        dim=int(model.visual.output_dim),
    )


def _size(model: Any) -> int:
    told = model.visual.preprocess_cfg["size"]
    return told[0] if isinstance(told, Sequence) else int(told)
