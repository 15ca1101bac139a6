"""What a model draws: picture i is caption i with latent seed + i, the same in any batch and on any rank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image

from t2igan import rng
from t2igan.errors import DataError
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.source import Picture
from t2igan.evaluation.sources.decoding import in_threads, planes
from t2igan.pipeline import TextToImage
from t2igan.types import NoiseMode


class DrawnSource:
    """Pictures of a generator, drawn when they are read and never kept."""

    def __init__(
        self,
        model: TextToImage,
        captions: Sequence[str],
        *,
        name: str,
        psi: float = 1.0,
        seed: int = 0,
        noise_mode: NoiseMode = "const",
        preparation: Preparation | None = None,
        batch: int = 64,
    ) -> None:
        """Name what is drawn.

        Args:
            model: draws.
            captions: one a picture.
            name: of the model, for people.
            psi: truncation.
            seed: of the first picture.
            noise_mode: layer noise; `random` is drawn for a batch at once, from the seed and number of its first picture.
            preparation: crop and resize of what was drawn; None = as drawn.
            batch: pictures a forward pass.

        Raises:
            DataError: if a caption is empty.
        """
        if not all(captions):
            raise DataError(
                f"{name}: {sum(not c for c in captions)} of {len(captions)} captions are empty. Leave them out."
            )
        self._model, self._captions, self._batch = model, list(captions), batch
        self._prepare = preparation or Preparation()
        self._how: dict[str, Any] = {"psi": psi, "noise_mode": noise_mode}
        self._seed = seed
        self.name, self.device = name, model.device
        noise = f"random, {batch} at once" if noise_mode == "random" else noise_mode
        drawn = "" if self._prepare.size is None else f", {self._prepare.text}"
        self.protocol = f"drawn at {model.resolution} px, psi {psi:g}, noise {noise}, seed {seed}{drawn}"
        texts = hashlib.sha256("\0".join(self._captions).encode()).hexdigest()
        parts = (model.fingerprint, str(model.conditioner.fingerprint), str(model.device), texts)
        self.fingerprint = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        self.warnings: list[str] = []

    def __len__(self) -> int:
        return len(self._captions)

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        """Draw pictures start .. stop - 1."""
        drawn = self._drawn(start, stop)
        yield from drawn if self._prepare.size is None else in_threads(self._prepared, drawn)

    def _drawn(self, start: int, stop: int) -> Iterator[Picture]:
        for first in range(start, stop, self._batch):
            captions = self._captions[first : min(first + self._batch, stop)]
            yield from map(Picture, self._draw(captions, self._seed + first), captions)

    def _draw(self, captions: Sequence[str], seed: int) -> torch.Tensor:
        """One batch, uint8."""
        with torch.random.fork_rng(devices=[self._model.device] if self._model.device.type == "cuda" else []):
            torch.manual_seed(rng.generator(seed, "layer noise").initial_seed())
            seeds = range(seed, seed + len(captions))
            return self._model.generate(captions, seeds, batch_size=self._batch, **self._how)

    def _prepared(self, drawn: Picture) -> Picture:
        pixels = drawn.image.permute(1, 2, 0).contiguous().numpy()
        return replace(drawn, image=planes(self._prepare(Image.fromarray(pixels))))
