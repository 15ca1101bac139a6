"""Ways to enlarge small pictures: a network, and the filters that it has to beat. They measure nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor

from t2igan.errors import UsageError
from t2igan.evaluation.upscale.resampling import FILTERS, enlarged
from t2igan.upscaler.model import Upscaler
from t2igan.upscaler.tiling import Tiling

MODEL = "model"


class Method(Protocol):
    """A way to enlarge.

    Attributes:
        name: in results.
        text: everything that moves its pixels.
        device: where it computes.
    """

    name: str
    text: str
    device: torch.device

    def __call__(self, low: Tensor, captions: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """[N, 3, h, w] uint8, and a caption and a seed each -> [N, 3, h scale, w scale] uint8 on the CPU."""
        ...


class ByFilter:
    """One of Pillow's filters; reads neither captions nor seeds."""

    device = torch.device("cpu")

    def __init__(self, name: str, scale: int) -> None:
        self.name, self.text, self._scale = name, f"Pillow {name}", scale

    def __call__(self, low: Tensor, captions: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """The filter."""
        return enlarged(low, self._scale, by=self.name)


class ByModel:
    """An upsampling network, in as many passes as the scale asks for."""

    def __init__(
        self,
        model: Upscaler,
        scale: int,
        *,
        side: int,
        tile: int | Literal["auto"] = "auto",
        has_noise: bool = True,
    ) -> None:
        """Fix what moves its pixels.

        Args:
            model: the network.
            scale: its own, or a power of it.
            side: of the small pictures.
            tile: side of tiles, of which the first pass over `side` decides if `auto`.
            has_noise: whether it adds the noise to its input that it was trained with.

        Raises:
            UsageError: if it cannot do that scale or tile.
        """
        G = model.G
        if scale < 2:
            raise UsageError(f"--scale {scale}: nothing to enlarge. Give 2 or more.")
        self.passes = model.num_passes(scale)
        Tiling(tile).check(G)
        # a fixed tile, as attention sees all of it: out of memory is an error, and not another number
        self.tile = next(Tiling(tile).attempts(G, (side, side)))[0]
        self._tiling = Tiling(self.tile)
        self.overlap = self._tiling.plan(G, (side, side), self.tile).down.overlap
        self._model, self._scale, self._has_noise = model, scale, has_noise
        self.name, self.device = MODEL, model.device
        self.text = (
            f"{model.fingerprint} {model.device.type}, {self.passes} pass(es), tiles of {self.tile} px with overlaps of "
            f"{self.overlap}, {'input noise' if has_noise else 'no input noise'}, "
            f"text {model.conditioner.fingerprint if model.conditioner else 'none'}"
        )

    def __call__(self, low: Tensor, captions: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """The network; of captions only if it reads text."""
        found = self._model.run(
            low,
            self._tiling,
            seeds=seeds,
            prompts=captions if self._model.reads_text else None,
            scale=self._scale,
            has_noise=self._has_noise,
        )
        return found.images


def filters(scale: int) -> list[ByFilter]:
    """Bicubic and Lanczos."""
    return [ByFilter(name, scale) for name in FILTERS]
