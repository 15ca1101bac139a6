"""Enlarged tiles -> one enlarged image, with no more than a band of floats in memory. It draws nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from t2igan import images
from t2igan.tiles import Blend, Plan, Tile

ToBytes = Callable[[Tensor], Tensor]
ROWS = 64  # that become bytes at once: of a whole band it would take three times the band's memory


def to_bytes(blend: Blend) -> ToBytes:
    """How [..] float, about [-1, 1], becomes uint8: rounded, or cut off as AuraSR does in its own schemes."""
    return images.to_uint8 if blend == "feather" else _truncate


def _truncate(img: Tensor) -> Tensor:
    # through [0, 1] and once more clamped there, so that levels fall as they do in AuraSR
    return (((img + 1) / 2).clamp(0, 1) * 255).to(torch.uint8)


class Canvas:
    """Where the tiles of one image add up, in the order of their first row; rows that no tile can reach any more are done."""

    def __init__(self, of: Plan, device: torch.device) -> None:
        """Make room for the bytes of the whole image, and for the floats of one row of tiles."""
        self._plan, self._to_bytes = of, to_bytes(of.blend)
        height, width = of.down.length * of.scale, of.across.length * of.scale
        self._pixels = torch.empty(height, width, 3, dtype=torch.uint8)  # in the order in which files want it
        self._band = torch.zeros(3, of.down.tile * of.scale, width, device=device)
        self._top = 0  # row of the image that the band begins with

    def add(self, tile: Tile, img: Tensor) -> None:
        """Add [3, h scale, w scale] float, clamped to [-1, 1], by the tile's weight; what lies outside is left out."""
        scale = self._plan.scale
        self._finish(tile.y * scale)
        weighted = img.clamp(-1, 1) * tile.weight.to(img.device)
        height, width = self._pixels.shape[:2]
        y, x = tile.y * scale - self._top, tile.x * scale
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + weighted.shape[1], height - self._top), min(x + weighted.shape[2], width)
        if top < bottom and left < right:  # tiles of a second pass may lie outside altogether
            self._band[:, top:bottom, left:right] += weighted[:, top - y : bottom - y, left - x : right - x]

    def finished(self) -> Tensor:
        """[3, H scale, W scale] uint8 on the CPU, once every tile was added."""
        self._finish(len(self._pixels))
        return self._pixels.permute(2, 0, 1)

    def _finish(self, row: int) -> None:
        """Turn everything above a row into bytes, and move the rest of the band up."""
        done = min(row, len(self._pixels)) - self._top
        if done <= 0:
            return
        rows = self._pixels[self._top : self._top + done]
        for start in range(0, done, ROWS):
            finished = self._to_bytes(self._band[:, start : min(start + ROWS, done)])
            rows[start : start + ROWS] = finished.permute(1, 2, 0).cpu()
        kept = self._band[:, done:].clone()
        self._band[:, : kept.shape[1]] = kept
        self._band[:, kept.shape[1] :] = 0
        self._top += done
