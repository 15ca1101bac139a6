"""Three roads from shards to batches of pixels: our loader, plain webdataset, and a loop over tarfile and Pillow.

All give [N, 3, R, R] uint8 of centred squares, shrunk with a Lanczos filter, and read the captions. The last two are
what people write by hand; they trust their input, know no position and end with the data.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import torch
import webdataset
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from t2igan.data.config import ShardsConfig
from t2igan.data.loader import build_loader, end_unheard
from t2igan.data.samples import IMAGE_SUFFIXES

BATCH = 32
Road = Callable[[list[Path], int], Iterator[Tensor]]  # (shards, resolution) -> the images of one pass


def ours(shards: list[Path], resolution: int, *, decode: str = "fast") -> Iterator[Tensor]:
    """One epoch of our loader; its last batch is filled up from the next."""
    return (batch.images for batch in _loader(shards, resolution, decode=decode, workers=0))


def ours_ahead(shards: list[Path], resolution: int, *, workers: int) -> Iterator[Tensor]:
    """Our loader without end, in processes of its own."""
    return (batch.images for batch in _loader(shards, resolution, decode="fast", workers=workers))


def _loader(shards: list[Path], resolution: int, *, decode: str, workers: int) -> Iterator[Any]:
    data = ShardsConfig.model_validate({"shards": "::".join(map(str, shards)), "decode": decode})
    return build_loader(data, resolution=resolution, batch=BATCH, seed=0, workers=workers)


def plain_webdataset(shards: list[Path], resolution: int) -> Iterator[Tensor]:
    """One pass of a WebDataset that decodes with Pillow."""
    return map(_stacked, _batched(_webdataset(shards, resolution)))


def plain_webdataset_ahead(shards: list[Path], resolution: int, *, workers: int) -> Iterator[Tensor]:
    """The same without end, in processes of its own; each needs a shard."""
    endless = _webdataset(shards, resolution).repeat()
    loader = DataLoader(
        endless,
        batch_size=BATCH,
        num_workers=workers,
        collate_fn=_stacked,
        multiprocessing_context="spawn",
    )
    others = active_children()
    batches = iter(loader)
    started = [child for child in active_children() if child not in others]
    try:
        yield from batches
    finally:
        end_unheard(started)


def _webdataset(shards: list[Path], resolution: int) -> Any:
    data = webdataset.WebDataset(list(map(str, shards)), shardshuffle=False, empty_check=False)  # pyright: ignore[reportAttributeAccessIssue]
    pictures = data.decode("pilrgb").to_tuple(";".join(IMAGE_SUFFIXES), "txt")
    return pictures.map(partial(_shrunk, resolution=resolution))


def _shrunk(sample: tuple[Image.Image, str], *, resolution: int) -> tuple[np.ndarray, str]:
    return _square(sample[0], resolution), sample[1]


def pillow_loop(shards: list[Path], resolution: int) -> Iterator[Tensor]:
    """One pass of a loop over the members, as scripts that write datasets have it."""
    return map(_stacked, _batched(_members(shards, resolution)))


def _members(shards: list[Path], resolution: int) -> Iterator[tuple[np.ndarray, str]]:
    for shard in shards:
        with tarfile.open(shard) as tar:
            pixels: np.ndarray | None = None
            for member in tar:
                file = tar.extractfile(member)
                data = file.read() if file else b""
                if member.name.endswith(IMAGE_SUFFIXES):
                    pixels = _square(Image.open(io.BytesIO(data)).convert("RGB"), resolution)
                elif member.name.endswith(".txt") and pixels is not None:
                    yield pixels, data.decode()


def _square(picture: Image.Image, resolution: int) -> np.ndarray:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    if side != resolution:
        square = square.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(square)


def _batched(samples: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(samples)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _stacked(samples: list[tuple[np.ndarray, str]]) -> Tensor:
    """[N, 3, R, R] uint8, as a network wants them."""
    return torch.from_numpy(np.stack([pixels for pixels, _ in samples])).permute(0, 3, 1, 2).contiguous()
