"""What is random about an enlarged image, as a function of its seed: latents and the noise on its input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from t2igan import rng
from t2igan.tiles import Plan, Tile


class Draws(Protocol):
    """The random part of one image."""

    is_shared: bool
    """Whether all tiles have one latent."""

    def latent(self, tile: Tile) -> Tensor:
        """[z_dim] float32."""
        ...

    def noise(self, of: Plan, tile: Tile) -> Tensor | None:
        """[3, h, w] float32, standard normal, or None for no noise."""
        ...


@dataclass
class SeededDraws:
    """By a seed. The noise belongs to the image's pixels, so overlapping tiles, of any size, see the same."""

    seed: int
    z_dim: int
    step: int = 0  # of passes one after another
    has_noise: bool = True
    is_shared: bool = True
    _band: tuple[list[int], Tensor] | None = field(default=None, repr=False)

    def latent(self, tile: Tile) -> Tensor:
        """The seed's latent, or one of the tile's own."""
        if self.is_shared:
            return rng.latents([self.seed], self.z_dim)[0]
        return torch.randn(self.z_dim, generator=rng.generator(self.seed, "tile", self.step, tile.number))

    def noise(self, of: Plan, tile: Tile) -> Tensor | None:
        """The noise of the pixels that the tile reads: drawn row by row, so no whole image of it is ever there."""
        if not self.has_noise:
            return None
        rows = of.rows(tile).tolist()
        if self._band is None or self._band[0] != rows:
            self._band = rows, torch.stack([self._row(row, of.across.length) for row in rows], 1)
        return self._band[1][:, :, of.columns(tile)]

    def _row(self, row: int, width: int) -> Tensor:
        return torch.randn(3, width, generator=rng.generator(self.seed, "input noise", self.step, row))
