"""Speed of reading training data: our loader, plain webdataset and a loop over Pillow, in one run on one machine.

In the training process each round reads a set once, from opening its files on, and the roads take turns. With worker
processes the steady state is measured.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from t2igan.bench.machine import describe
from t2igan.bench.photographs import photograph
from t2igan.bench.roads import (
    BATCH,
    Road,
    ours,
    ours_ahead,
    pillow_loop,
    plain_webdataset,
    plain_webdataset_ahead,
)
from t2igan.data.shards import count_samples, find_shards
from t2igan.data.writer import ShardWriter
from t2igan.errors import UsageError

ROUNDS = 3
STEADY_ROUNDS, STEADY_SECONDS = 2, 2.0
OURS, WEBDATASET, PILLOW = "ours", "webdataset", "Pillow loop"
ROADS: dict[str, Road] = {
    OURS: ours,
    "ours, exact": partial(ours, decode="exact"),
    WEBDATASET: plain_webdataset,
    PILLOW: pillow_loop,
}
AHEAD = {OURS: ours_ahead, WEBDATASET: plain_webdataset_ahead}


class Kind(NamedTuple):
    """A set to be made: JPEGs of one size."""

    width: int
    height: int
    quality: int
    distinct: int  # pictures
    total: int  # samples; the pictures come again


SETS = (
    Kind(256, 256, 95, 32, 1024),
    Kind(512, 512, 95, 16, 256),
    Kind(1500, 1125, 90, 4, 64),
)
NUM_SHARDS = 4


def bench_loader(data: str | None = None, *, resolution: int = 256, workers: int = 2) -> dict[str, Any]:
    """Measure decoded images a second.

    Args:
        data: shards as `data.shards` names them; None = photograph-like JPEGs, made anew: 256 x 256 and 512 x 512 px of quality
            95, 1500 x 1125 px of quality 90.
        resolution: side of the squares, in pixels.
        workers: processes of the second measurement; 0 = none.

    Returns:
        Plain values: "rows" of {"source", "road", "workers", "images_per_s", "per_core" (images a second of CPU time in
        the training process, or a worker), "to_webdataset", "to_pillow": ratios}, and what was measured.

    Raises:
        UsageError: if a number is out of range.
        DataError: if the data is missing.
    """
    if resolution < 1 or workers < 0:
        raise UsageError(f"--resolution {resolution}, --workers {workers}: at least 1 and 0.")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="t2igan-") as folder:
            sets = (
                {"data": find_shards(data, resolution=resolution)}
                if data
                else _made(Path(folder), resolution)
            )
            rows = [
                row for name, shards in sets.items() for row in _measured(name, shards, resolution, workers)
            ]
    finally:
        torch.set_num_threads(threads)
    return {
        "resolution": resolution,
        "batch": BATCH,
        **describe(torch.device("cpu")),
        "threads": 1,
        "rows": rows,
    }


def _made(folder: Path, resolution: int) -> dict[str, list[Path]]:
    """Name -> shards of each set that is large enough."""
    made = {}
    for kind in SETS:
        if min(kind.width, kind.height) >= resolution:
            name = str(kind.width)
            _write(folder / str(kind.width), kind)
            made[name] = find_shards(str(folder / str(kind.width)))
    if not made:
        raise UsageError(f"--resolution {resolution}: the made pictures are smaller. Give --data.")
    return made


def _write(folder: Path, kind: Kind) -> None:
    rng = np.random.default_rng(0)
    pictures = [_jpeg(rng, kind) for _ in range(kind.distinct)]
    with ShardWriter(folder, settings={}, per_shard=kind.total // NUM_SHARDS) as writer:
        for number in range(kind.total):
            writer.write({"jpg": pictures[number % kind.distinct], "txt": b"clouds and discs"})


def _jpeg(rng: np.random.Generator, kind: Kind) -> bytes:
    buffer = io.BytesIO()
    photograph(rng, kind.width, kind.height).save(buffer, "JPEG", quality=kind.quality)
    return buffer.getvalue()


def _measured(name: str, shards: list[Path], resolution: int, workers: int) -> list[dict[str, Any]]:
    """Rows of one set, without worker processes and with them."""
    total = sum(count_samples(shards))
    alone = _in_turns(shards, resolution, total)
    rows = [_row(name, road, 0, wall, cpu, alone) for road, (wall, cpu) in alone.items()]
    if not workers:
        return rows
    best = dict.fromkeys(AHEAD, 0.0)
    for _ in range(STEADY_ROUNDS):
        for road, read in AHEAD.items():
            best[road] = max(best[road], _steady(read(shards, resolution, workers=workers), workers))
    rates = {road: (rate, rate / workers) for road, rate in best.items()}
    return rows + [_row(name, road, workers, *rate, rates) for road, rate in rates.items()]


def _in_turns(shards: list[Path], resolution: int, total: int) -> dict[str, tuple[float, float]]:
    """Road -> images a second of time and of CPU time, of its best round."""
    best = dict.fromkeys(ROADS, (0.0, 0.0))
    for _ in range(ROUNDS):
        for road, read in ROADS.items():
            wall, cpu = time.perf_counter(), time.process_time()
            images = sum(len(batch) for batch in islice(read(shards, resolution), -(-total // BATCH)))
            rate = images / (time.perf_counter() - wall), images / (time.process_time() - cpu)
            best[road] = max(best[road], rate, key=lambda found: found[1])
    return best


def _steady(batches: Iterator[Tensor], workers: int) -> float:
    """Images a second once what was loaded ahead is used up."""
    for _ in range(3 * workers):
        next(batches)
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < STEADY_SECONDS:
        images += len(next(batches))
    return images / (time.perf_counter() - start)


def _row(
    source: str, road: str, workers: int, rate: float, per_core: float, others: dict[str, tuple[float, float]]
) -> dict[str, Any]:
    ratios = {f"to_{key}": per_core / others[name][1] for key, name in (("webdataset", WEBDATASET), ("pillow", PILLOW)) if name in others}  # fmt: skip
    return {
        "source": source,
        "road": road,
        "workers": workers,
        "images_per_s": rate,
        "per_core": per_core,
        **ratios,
    }
