"""The pictures that a run draws of itself: by prompt, or, of an upsampler, enlarged beside what it saw. Writes no file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from t2igan import images, rng
from t2igan.train.state import TrainState
from t2igan.types import Condition, Upsampler

COLUMNS = 8  # tiles a row
TRIPLES = 2  # of what the upsampler sees, its output and the real image, a row


@dataclass(frozen=True)
class Sheet:
    """Tiles of a grid, in order."""

    tiles: Tensor  # [N, 3, R, R] uint8 on the CPU
    captions: tuple[str, ...]
    columns: int


@torch.no_grad()
def draw_sheet(state: TrainState, captions: tuple[str, ...], real: Tensor, *, psi: float) -> Sheet:
    """What a sample grid shows of the averaged network.

    Args:
        state: the run; left as it is.
        captions: one a picture.
        real: [M, 3, R, R] uint8 images of the data on the CPU, which an upsampler gets to see small.
        psi: truncation.
    """
    network: Any = state.ema["G"].network
    c = state.sampling_condition(captions)
    z = rng.latents(range(len(captions)), state.z_dim).to(state.device)
    if isinstance(network, Upsampler):
        return _triples(state, network, c, z, captions, real)
    with state.autocast():
        fakes = network(z, c, psi=psi)
    return Sheet(images.to_uint8(fakes).cpu(), captions, COLUMNS)


def _triples(
    state: TrainState, network: Any, c: Condition, z: Tensor, captions: tuple[str, ...], real: Tensor
) -> Sheet:
    """Each image small, by repeated pixels; enlarged, with the noise of a fixed seed on what the network sees; real."""
    shown = real[torch.arange(len(captions)) % len(real)]
    low = network.shrink(images.to_float(shown.to(state.device)))
    noise = rng.batch_normal(0, 0, "sample grid", len(low), low[0].numel()).reshape(low.shape)
    with state.autocast():
        fakes = network(low, z, c, noise=noise.to(state.device))
    small = images.to_uint8(low).cpu()
    repeated = nn.functional.interpolate(small, size=shown.shape[2:])
    tiles = torch.stack([repeated, images.to_uint8(fakes).cpu(), shown], dim=1).flatten(0, 1)
    told = (f"{small.shape[-1]} px", "enlarged", "real")
    texts = [(f"{told[0]}: {caption}", *told[1:]) for caption in captions]
    return Sheet(tiles, tuple(text for three in texts for text in three), len(told) * TRIPLES)
