"""Overlapping tiles over an image of any size: where they lie, what they read, how they are weighed together.

Pure functions and values. Not the networks that fill the tiles, and not the accumulation of their output.

Lengths of inputs are in pixels of the small image; weights are for its enlarged pixels, `scale` times as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from t2igan.errors import UsageError

Blend = Literal["feather", "paste", "checkboard", "constant"]
SHARPNESS = 16.0  # exp(-r^2 / (2 * 0.5^2)) to the power of 8 is exp(-16 r^2)


@dataclass(frozen=True)
class Tile:
    """One tile. Its weight is `down * across`, by broadcasting [h scale, w scale]."""

    number: int  # in the order of the reference: pass by pass, row by row
    y: int  # first row that it reads; may be negative or beyond the image, where pixels are reflected
    x: int
    down: Tensor
    across: Tensor

    @property
    def weight(self) -> Tensor:
        """How much each of its pixels counts; over all tiles, the weights of a pixel sum to 1."""
        return self.down * self.across


@dataclass(frozen=True)
class Axis:
    """How one side of an image is cut."""

    length: int  # of the image
    tile: int  # side of every tile
    starts: tuple[int, ...]  # first pixel of each tile; all multiples of what the network needs
    overlap: int

    @property
    def padded(self) -> int:
        """Where the last tile ends."""
        return self.starts[-1] + self.tile


@dataclass(frozen=True)
class Plan:
    """All tiles of an image; every tile has the same size, and tiles come in the order of their first row."""

    down: Axis
    across: Axis
    scale: int
    blend: Blend = "feather"

    def __len__(self) -> int:
        rows, columns = len(self.down.starts), len(self.across.starts)
        return rows * columns + ((rows + 1) * (columns + 1) if self.has_second_pass else 0)

    @property
    def has_second_pass(self) -> bool:
        """Whether everything is computed again on tiles that are shifted by half a tile."""
        return self.blend in ("checkboard", "constant")

    def tiles(self) -> Iterator[Tile]:
        """Every tile; of two with the same first row the left one is first."""
        if self.blend == "feather":
            return _feathered(self)
        return _pasted(self) if self.blend == "paste" else _two_passes(self)

    def rows(self, tile: Tile) -> Tensor:
        """[h] rows of the image that a tile reads."""
        return source_index(self.down, tile.y)

    def columns(self, tile: Tile) -> Tensor:
        """[w] columns of the image that a tile reads."""
        return source_index(self.across, tile.x)


def plan(
    size: tuple[int, int], tile: int, *, overlap: int, multiple: int, scale: int, blend: Blend = "feather"
) -> Plan:
    """Cut an image into tiles.

    Args:
        size: height and width, each at least 1.
        tile: side of a tile. With `feather` an image that fits into one is not cut, and the tile shrinks to it.
        overlap: how far neighbours overlap at least; the schemes of AuraSR have none of their own.
        multiple: sides and starts of tiles are multiples of it, as the network's strides would else be out of step.
        scale: factor of the network.
        blend: `feather`, or one of AuraSR's: `paste`, or two passes with `checkboard` or `constant` weights.

    Raises:
        UsageError: if tile or overlap cannot be.
    """
    if tile < multiple or tile % multiple:
        raise UsageError(f"a tile of {tile} px: this model needs a multiple of {multiple}.")
    if not 0 <= overlap <= tile - multiple:
        raise UsageError(
            f"an overlap of {overlap} px: tiles of {tile} px can overlap by 0 to {tile - multiple} px."
        )
    if blend == "feather":
        down, across = (cut_axis(length, tile, overlap=overlap, multiple=multiple) for length in size)
    else:
        down, across = (Axis(length, tile, tuple(range(0, length, tile)), 0) for length in size)
    return Plan(down, across, scale, blend)


def cut_axis(length: int, tile: int, *, overlap: int, multiple: int) -> Axis:
    """Tiles along one side; the last one ends where the side, rounded up to a multiple, ends."""
    whole = -(-length // multiple) * multiple
    if whole <= tile:
        return Axis(length, whole, (0,), overlap)
    stride = (tile - overlap) // multiple * multiple
    return Axis(length, tile, (*range(0, whole - tile, stride), whole - tile), overlap)


def source_index(axis: Axis, start: int) -> Tensor:
    """[tile] int64: the pixels of the image that a tile reads which starts at `start`.

    The image is padded to whole tiles first, then the padded image as far as a shifted tile reaches, each by reflection.
    """
    return _reflect(_reflect(torch.arange(start, start + axis.tile), axis.padded), axis.length)


def seam_weights(axis: Axis, scale: int) -> list[Tensor]:
    """[tile scale] float32 for each tile: a partition of unity with smooth seams.

    In the middle half of an overlap one tile fades into the next; the outer quarters, where a tile has seen too little of
    its surroundings, count nothing. Sides of the image have no seam.
    """
    weights = []
    for i, start in enumerate(axis.starts):
        pixels = torch.arange(start * scale, (start + axis.tile) * scale, dtype=torch.float64) + 0.5
        # what has faded in and not yet out: telescoping, so the sum is the first seam, which is 1 everywhere
        faded_in, faded_out = _seam(axis, i, scale, pixels), _seam(axis, i + 1, scale, pixels)
        weights.append((faded_in - faded_out).to(torch.float32))
    return weights


def checkboard_weight(side: int) -> Tensor:
    """[side, side] float32 of AuraSR: exp(-16 r^2) with r from -1 to 1, 1 at most."""
    line = torch.exp(-SHARPNESS * torch.linspace(-1, 1, side, dtype=torch.float64).square())
    weight = torch.outer(line, line)
    return (weight / weight.max()).to(torch.float32)


def _seam(axis: Axis, i: int, scale: int, pixels: Tensor) -> Tensor:
    """0 before, 1 behind the seam in front of tile i, at the middles of enlarged pixels."""
    if i in (0, len(axis.starts)):
        return torch.full_like(pixels, 1.0 if i == 0 else 0.0)
    centre = (axis.starts[i] + axis.starts[i - 1] + axis.tile) / 2 * scale
    width = max(axis.overlap * scale / 2, 1e-6)  # without an overlap: a step
    t = ((pixels - centre) / width + 0.5).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _reflect(index: Tensor, length: int) -> Tensor:
    """Indices into [0, length): reflected without repeating the edge, or clamped where reflection does not reach."""
    beyond = max(-int(index.min()), int(index.max()) - (length - 1))
    if beyond > length - 1:
        return index.clamp(0, length - 1)
    last = length - 1
    return last - (last - index.abs()).abs()


def _feathered(of: Plan) -> Iterator[Tile]:
    rows, columns = seam_weights(of.down, of.scale), seam_weights(of.across, of.scale)
    for i, y in enumerate(of.down.starts):
        for j, x in enumerate(of.across.starts):
            yield Tile(i * len(columns) + j, y, x, rows[i][:, None], columns[j][None, :])


def _pasted(of: Plan) -> Iterator[Tile]:
    one = torch.ones(1, 1)
    places = ((y, x) for y in of.down.starts for x in of.across.starts)
    return (Tile(number, y, x, one, one) for number, (y, x) in enumerate(places))


def _two_passes(of: Plan) -> Iterator[Tile]:
    """AuraSR: whole tiles, and whole tiles of the image padded by half a tile on all sides."""
    half, one, first = of.down.tile // 2, torch.ones(1, 1), len(of.down.starts) * len(of.across.starts)
    weight = _share(of.down.tile * of.scale) if of.blend == "checkboard" else torch.full((1, 1), 0.5)
    columns = len(of.across.starts)
    for i, y in enumerate((*of.down.starts, of.down.padded)):
        for j, x in enumerate((*of.across.starts, of.across.padded)):
            yield Tile(first + i * (columns + 1) + j, y - half, x - half, weight, one)
        if y < of.down.padded:
            for j, x in enumerate(of.across.starts):
                yield Tile(i * columns + j, y, x, weight, one)


def _share(side: int) -> Tensor:
    """The part of a pass in both: the other one's weights are the same, shifted by half a tile both ways, and periodic."""
    weight = checkboard_weight(side)
    return weight / (weight + weight.roll((side // 2, side // 2), (0, 1)))
