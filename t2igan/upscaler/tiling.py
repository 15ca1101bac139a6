"""Which tiles a pass uses, and how it goes on with smaller ones on a machine that is out of memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from t2igan import tiles
from t2igan.errors import T2IGanError, UsageError
from t2igan.tiles import Blend
from t2igan.types import Condition, Upsampler
from t2igan.upscaler.draws import Draws
from t2igan.upscaler.memory import is_out_of_memory, release
from t2igan.upscaler.run import Progress, run_tiles

LOG = logging.getLogger(__name__)
LARGEST = 4  # times the side that the network was trained on: less overlap, and fewer places that see too little around
AREA = LARGEST**2  # of a batch, in tiles of that side: any batch by default takes the same memory


@dataclass(frozen=True)
class Tiling:
    """How images are cut. Not part of it: seeds and noise.

    Attributes:
        tile: side in pixels of the small image; `auto` = the network's own with attention, 4 times that without, and less where
            memory does not suffice.
        overlap: of neighbours in pixels of the small image; None = a quarter of the network's own side with attention, half without, where
            tiles are larger.
        batch: tiles a forward pass, which does not change the picture; None = as many as fill the area of a large tile.
        blend: `feather`, or a scheme of AuraSR's (`paste`, `checkboard`, `constant`), whose `auto` is the network's side.
    """

    tile: int | Literal["auto"] = "auto"
    overlap: int | None = None
    batch: int | None = None
    blend: Blend = "feather"

    def check(self, G: Upsampler) -> None:
        """Refuse what cannot be for this network, before any work.

        Raises:
            UsageError: for a tile, overlap or batch that cannot be.
        """
        if self.batch is not None and self.batch < 1:
            raise UsageError(f"a batch of {self.batch} tiles: give at least 1.")
        if self.blend not in ("feather", "paste", "checkboard", "constant"):
            raise UsageError(f"blend {self.blend!r}: known are feather, paste, checkboard and constant.")
        if self.blend != "feather" and self.overlap is not None:
            raise UsageError(f"blend {self.blend!r} has no overlap to choose. Leave --overlap out.")
        self.plan(G, (1, 1), natural_tile(G) if self.tile == "auto" else self.tile)

    def plan(self, G: Upsampler, size: tuple[int, int], tile: int) -> tiles.Plan:
        """The tiles of an image of `size` (height, width)."""
        share = natural_tile(G) // (4 if G.has_attention else 2)
        usual = min(share, max(tile - G.multiple, 0)) if self.blend == "feather" else 0
        overlap = usual if self.overlap is None else self.overlap
        return tiles.plan(size, tile, overlap=overlap, multiple=G.multiple, scale=G.scale, blend=self.blend)

    def attempts(self, G: Upsampler, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Tile and batch, each pair in need of about half the memory of the one before."""
        natural = natural_tile(G)
        tile = natural if self.tile == "auto" else self.tile
        if self.tile == "auto" and self.blend == "feather":
            while tile < min(max(size), natural if G.has_attention else LARGEST * natural):
                tile *= 2
        batch = self.batch or max(1, AREA * natural**2 // tile**2)
        yield tile, batch
        while batch > 1 or (self.tile == "auto" and tile > natural):
            tile, batch = (tile, batch // 2) if batch > 1 else (tile // 2, 1)
            yield tile, batch


class Tiled(NamedTuple):
    """What a pass gave, and with which tiles."""

    images: Tensor  # [N, 3, H scale, W scale] uint8
    tile: int
    overlap: int


def natural_tile(G: Upsampler) -> int:
    """The side that a network was trained to read, as a multiple of what it can read."""
    return -(-G.img_resolution // G.multiple) * G.multiple


def upscale_once(
    G: Upsampler,
    low: Tensor,
    tiling: Tiling,
    *,
    draws: Sequence[Draws],
    c: Condition | None,
    device: torch.device,
    on_progress: Progress | None = None,
) -> Tiled:
    """One pass over images of one size, with smaller batches and tiles where memory does not suffice.

    Args:
        G: the network.
        low: [N, 3, H, W] uint8.
        tiling: how they are cut.
        draws: what is random about each of them.
        c: N rows, or None for a network that reads no text.
        device: where the network is.
        on_progress: called after each forward pass; starts again where memory did not suffice.

    Raises:
        T2IGanError: if memory does not suffice for the smallest tile, or the output is not finite.
    """
    size, tile = (low.shape[2], low.shape[3]), 0
    for tile, batch in tiling.attempts(G, size):
        if on_progress is not None:
            on_progress(0, 1)
        of = tiling.plan(G, size, tile)
        try:
            drawn = run_tiles(
                G, low, of, draws=draws, c=c, batch=batch, device=device, on_progress=on_progress
            )
            large = list(drawn)
            # a stack is a copy, which one large image can do without
            images = large[0][None] if len(large) == 1 else torch.stack(large)
            return Tiled(images, tile, of.down.overlap)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # only here, as the exception held what was computed
        release(device)
        LOG.warning("warning: out of memory with %d tile(s) of %d px; going on with less", batch, tile)
    raise T2IGanError(
        f"out of memory even with one tile of {tile} px at a time. Give a smaller --tile, or --device cpu."
    )
