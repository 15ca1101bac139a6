"""The embedded captioned data set as an endless stream of samples. Torch-free; batching is loader.py's."""

from __future__ import annotations

from t2igan.data.captions import caption
from t2igan.data.config import ShapesConfig
from t2igan.data.draws import Draws
from t2igan.data.grammar import labels, scene_at
from t2igan.data.render import render
from t2igan.types import Sample


class ShapesStream:
    """Sample number i is a pure function of (config, seed, i); a resolution shows the same scenes at another size."""

    def __init__(self, config: ShapesConfig, *, resolution: int, seed: int) -> None:
        self.config = config
        self.resolution = resolution
        self.seed = seed

    def sample(self, index: int) -> Sample:
        """Draw sample `index`, 0 or more: image [R, R, 3] uint8, caption, labels in the order of ATTRIBUTES."""
        scene = scene_at(self.seed, index, self.config)
        image, _ = render(scene, self.resolution)
        text = caption(scene, Draws("caption", self.seed, index), detail=self.config.captions)
        return Sample(image, text, labels(scene), key=f"{index:09d}")
