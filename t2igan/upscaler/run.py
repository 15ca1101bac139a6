"""One pass of a network over images that are cut into tiles, several tiles at once. It chooses no tile sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from t2igan import images
from t2igan.errors import T2IGanError
from t2igan.tiles import Plan, Tile
from t2igan.types import Condition, Upsampler
from t2igan.upscaler.canvas import Canvas
from t2igan.upscaler.draws import Draws

Progress = Callable[[int, int], None]
"""Called with tiles that are done, and all tiles."""


class Job(NamedTuple):
    """One tile of one of the images."""

    image: int
    tile: Tile


@torch.inference_mode()
def run_tiles(
    G: Upsampler,
    low: Tensor,
    of: Plan,
    *,
    draws: Sequence[Draws],
    c: Condition | None = None,
    batch: int = 1,
    device: torch.device | str = "cpu",
    on_progress: Progress | None = None,
) -> Iterator[Tensor]:
    """Enlarge images of one size; batches reach from one image into the next.

    Args:
        G: the network.
        low: [N, 3, H, W] uint8 on the CPU.
        of: how each of them is cut.
        draws: what is random about each of them.
        c: N rows, or None for a network that reads no text.
        batch: tiles a forward pass; does not change what is drawn.
        device: where the network is.
        on_progress: called after each forward pass.

    Yields:
        [3, H scale, W scale] uint8 on the CPU, image by image.

    Raises:
        T2IGanError: if the network gives numbers that are not finite.
    """
    place = torch.device(device)
    jobs = (Job(i, tile) for i in range(len(low)) for tile in of.tiles())
    canvas, current, done = Canvas(of, place), 0, 0
    while several := list(islice(jobs, batch)):
        drawn = _forward(G, low, of, several, draws, c, place)
        for job, img in zip(several, drawn, strict=True):
            if job.image != current:
                yield canvas.finished()
                canvas, current = Canvas(of, place), job.image
            canvas.add(job.tile, img)
        done += len(several)
        if on_progress is not None:
            on_progress(done, len(low) * len(of))
    if len(low):
        yield canvas.finished()


def _forward(
    G: Any,
    low: Tensor,
    of: Plan,
    several: Sequence[Job],
    draws: Sequence[Draws],
    c: Condition | None,
    device: torch.device,
) -> Tensor:
    """[n, 3, h scale, w scale] float32 of some tiles, on the device."""
    cut = torch.stack([low[job.image][:, of.rows(job.tile)][:, :, of.columns(job.tile)] for job in several])
    noises = [draws[job.image].noise(of, job.tile) for job in several]
    noise = None if noises[0] is None else torch.stack([one for one in noises if one is not None]).to(device)
    # tiles of one image that share a latent share everything: one row, for which networks have a fast way
    rows = (
        several[:1]
        if len({job.image for job in several}) == 1 and draws[several[0].image].is_shared
        else several
    )
    z = torch.stack([draws[job.image].latent(job.tile) for job in rows]).to(device)
    text = None if c is None else c.index([job.image for job in rows])
    img = G(images.to_float(cut.to(device)), z, text, noise=noise)
    if not bool(torch.isfinite(img).all()):
        raise T2IGanError(
            "the network's output is not finite (NaN or infinite). Its weights are damaged, or overflow in float16: "
            "convert or download the checkpoint again."
        )
    return img.float()
