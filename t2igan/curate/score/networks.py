"""CLIP and the heads on its image embeddings, loaded at the first image that needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from t2igan.curate.config import HeadConfig, ScoreConfig, clip_name, embedding_column, head_column
from t2igan.curate.measures.clip import ClipMeter
from t2igan.curate.measures.heads import Head, load_head
from t2igan.curate.table import Origin
from t2igan.errors import WeightsError
from t2igan.metrics.config import SmallClipFeaturesConfig


class Networks:
    """Prepared images and their captions -> the columns of CLIP and heads."""

    def __init__(self, config: ScoreConfig, device: str) -> None:
        self._config = config
        self._device = device
        self._name = clip_name(config.clip) if config.clip else ""

    @cached_property
    def _clip(self) -> ClipMeter:
        assert self._config.clip is not None
        return ClipMeter(self._config.clip, device=self._device)

    @cached_property
    def _heads(self) -> dict[str, Head]:
        return {head_column(head): _open_head(head, self._clip.dim) for head in self._config.heads}

    @cached_property
    def of_files(self) -> dict[str, str]:
        """Column -> fingerprint of the weights, where they are a file that is there: its name alone says little."""
        config = self._config.clip
        file = (
            config.checkpoint if isinstance(config, SmallClipFeaturesConfig) else config and config.pretrained
        )
        clip = {f"clip:{self._name}": self._clip.weights} if file and Path(file).is_file() else {}
        heads = [head for head in self._config.heads if Path(head.weights).is_file()]
        return clip | {head_column(h): load_head(h.weights, kind=h.kind).weights for h in heads}

    def prepare(self, picture: Image.Image) -> Any:
        """An RGB picture -> CLIP's input; safe in several threads."""
        return self._clip.prepare(picture)

    def measure(self, prepared: Sequence[Any], captions: Sequence[str]) -> dict[str, np.ndarray]:
        """Column -> float32 [N]; of the embeddings, if they are kept, float16 [N, D] of unit length."""
        embeddings = self._clip.embed_prepared(torch.stack(list(prepared)))
        found = {f"clip:{self._name}": self._clip.scores(embeddings, captions)}
        found |= {column: head(embeddings) for column, head in self._heads.items()}
        kept = embedding_column(self._config)
        vectors = {kept: embeddings.numpy().astype(np.float16)} if kept else {}
        return {column: np.asarray(values, dtype=np.float32) for column, values in found.items()} | vectors

    def names(self) -> dict[str, Origin]:
        """Column -> which network fills it; its weights are not looked at."""
        if self._config.clip is None:
            return {}
        heads = {head_column(h): Origin(h.kind, f"{h.name} on {self._name}") for h in self._config.heads}
        kept = embedding_column(self._config)
        vectors = {kept: Origin("embedding", self._name)} if kept else {}
        return {f"clip:{self._name}": Origin("clip", self._name)} | heads | vectors

    def origins(self) -> dict[str, Origin]:
        """Column -> which network fills it, with the fingerprint of its weights."""
        prints = {column: head.weights for column, head in self._heads.items()}
        return {
            name: replace(o, weights=prints.get(name, self._clip.weights)) for name, o in self.names().items()
        }


def _open_head(config: HeadConfig, dim: int) -> Head:
    """The head of a setting.

    Raises:
        WeightsError: if the file is missing, no head, or one of the published heads under another's name.
    """
    head = load_head(config.weights, dim=dim, kind=config.kind)
    if config.kind == "aesthetic" and config.name in ("v1", "v2") and not head.name.startswith(config.name):
        raise WeightsError(
            f"{config.weights}: is laid out as aesthetic predictor {head.name}, not {config.name}: their scales differ. "
            f"Give --aesthetic {head.name}, or a name of your own."
        )
    return head
