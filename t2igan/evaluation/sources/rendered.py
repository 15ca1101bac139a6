"""The embedded shapes stream as pictures to compare with: rendered when they are read, never kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import torch

from t2igan.checkpoint import Header
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes import ShapesStream
from t2igan.decode import decode_json
from t2igan.evaluation.source import Picture
from t2igan.evaluation.sources.decoding import in_threads


class RenderedSource:
    """Samples 0 .. n - 1 of one stream of scenes."""

    def __init__(self, config: ShapesConfig, *, resolution: int, seed: int, n: int) -> None:
        """Name what is rendered.

        Args:
            config: which scenes and captions.
            resolution: side in pixels.
            seed: of the stream.
            n: how many.
        """
        self._stream, self._n = ShapesStream(config, resolution=resolution, seed=seed), n
        self.name, self.protocol = f"shapes, stream {seed}", f"rendered at {resolution} px"
        text = f"{config.model_dump_json()} {seed} {n}"
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.warnings: list[str] = []

    def __len__(self) -> int:
        return self._n

    def captions(self) -> list[str]:
        """Of every picture."""
        return [self._stream.sample(i).caption for i in range(self._n)]

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        """Pictures start .. stop - 1."""
        yield from in_threads(self._picture, range(start, stop))

    def _picture(self, number: int) -> Picture:
        sample = self._stream.sample(number)
        return Picture(torch.from_numpy(sample.image).permute(2, 0, 1).contiguous(), sample.caption)


def shapes_of(header: Header) -> ShapesConfig | None:
    """Which shapes a checkpoint was trained on; None if it was trained on anything else."""
    data = header.recipe.get("data")
    if not isinstance(data, dict) or data.get("kind") != "shapes":
        return None
    return decode_json(json.dumps(data), ShapesConfig, source="recipe of the checkpoint")
