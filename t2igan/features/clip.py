"""An open_clip model that measures: images -> features, images and captions -> embeddings. Not a text encoder of G."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
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
        self._tokenizer = weights.open_clip_tokenizer(config.model)
        self._device = torch.device("cpu")
        self.name = self._images.name

    def to(self, device: str | torch.device) -> None:
        """Move both towers."""
        self._model.to(device)
        self._images.to(device)
        self._device = torch.device(device)

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 images [N, 3, H, W] -> embeddings [N, D] float32, not normalised."""
        return self._images(images)

    @torch.no_grad()
    def embed_texts(self, captions: Sequence[str]) -> Tensor:
        """N captions -> embeddings [N, D] float32, not normalised; captions beyond the context are cut."""
        return self._model.encode_text(self._tokenizer(list(captions)).to(self._device)).float()


def _open(config: ClipFeaturesConfig) -> Any:
    model = weights.open_clip_model(config.model, pretrained=config.pretrained, quick_gelu=config.quick_gelu)
    return model.requires_grad_(False)


def _image_tower(model: Any, config: ClipFeaturesConfig) -> Extractor:
    told = model.visual.preprocess_cfg
    size = told["size"][0] if isinstance(told["size"], Sequence) else int(told["size"])
    fingerprint = checkpoint.fingerprint(model.visual.state_dict())
    return Extractor(
        model.visual,
        bicubic(size, told["mean"], told["std"]),
        name=f"{config.model}-{config.pretrained}-{fingerprint}",
        protocol=f"bicubic {size} px",
        dim=int(model.visual.output_dim),
    )
