"""Speed of `data filter`: each stage alone, and all of them together on the same pictures, in one run.

One worker, as it is on each core or GPU. Rates of the whole are marginal: what twice the shards take longer, so that
starting up and loading weights do not count. Without a GPU the clock is CPU time, which neighbours disturb less.
"""

from __future__ import annotations

import io
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2igan.bench.machine import describe
from t2igan.bench.photographs import photograph
from t2igan.curate.config import Rules, ScoreConfig, clip_name
from t2igan.curate.engine import Workers
from t2igan.curate.filtering import filter_shards
from t2igan.curate.measures.clip import ClipMeter
from t2igan.curate.measures.phash import phash
from t2igan.data.pixels import open_picture, to_rgb
from t2igan.data.tars import index_tar, read_members
from t2igan.data.writer import ShardWriter
from t2igan.metrics.config import ScorerConfig

PER_SHARD = 100
VARIETY = 25  # different pictures; more would measure the same and take longer to draw
QUALITY = 95
WORDS = [
    "a",
    "red",
    "green",
    "blue",
    "small",
    "large",
    "photograph",
    "of",
    "the",
    "dog",
    "cat",
    "house",
    "tree",
    "on",
    "left",
    "right",
]
BATCHES = (8, 32, 64)
STAGE_S = 2.0  # seconds that a stage is measured at least


def bench_filter(
    *, clip: ScorerConfig | None, shards: int = 4, size: tuple[int, int] = (341, 256)
) -> dict[str, Any]:
    """Measure the stages and the whole.

    Args:
        clip: whose cosines are computed; None = decoding and perceptual hashes only.
        shards: of 100 pictures, that the whole takes at first; it then takes twice as many.
        size: width and height of the pictures.

    Returns:
        {"stages": name -> images/s alone, "filter": images/s, "share": of the slowest stage's rate, ...}.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="t2igan-bench-") as folder:
        root = Path(folder)
        _write_pictures(root / "once", shards, size)
        _write_pictures(root / "twice", 2 * shards, size)
        _write_pictures(root / "first", 1, size)
        stages, batch = _stages(root / "once", clip, device)
        _, once, twice = (
            _filter(root, name, clip, batch) for name in ("first", "once", "twice")
        )  # imports are over then
    rate = shards * PER_SHARD / (twice - once)
    slowest = min(stages, key=lambda name: stages[name])
    return {
        **describe(device),
        "clip": clip_name(clip) if clip else None,
        "batch": batch,
        "size": list(size),
        "stages": stages,
        "slowest": slowest,
        "filter": rate,
        "share": rate / stages[slowest],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _now() -> float:
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def _write_pictures(out: Path, shards: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(VARIETY):
        buffer = io.BytesIO()
        photograph(rng, *size).save(buffer, "JPEG", quality=QUALITY)
        pictures.append(buffer.getvalue())
    with ShardWriter(out, settings={"made_by": "bench"}, per_shard=PER_SHARD) as writer:
        for number in range(shards * PER_SHARD):
            caption = " ".join(rng.choice(WORDS, 9))
            writer.write({"jpg": pictures[number % VARIETY], "txt": caption.encode()})


def _stages(folder: Path, clip: ScorerConfig | None, device: torch.device) -> tuple[dict[str, float], int]:
    """Images a second of each stage alone, and CLIP's best batch."""
    shard = sorted(folder.glob("*.tar"))[0]
    entries = index_tar(shard)
    images = [read_members(shard, entry)["jpg"] for entry in entries]
    pictures = [to_rgb(open_picture(image, max_pixels=10**8)) for image in images]
    stages = {
        "read": _rate(lambda: [read_members(shard, entry) for entry in entries], len(entries)),
        "decode": _rate(
            lambda: [to_rgb(open_picture(image, max_pixels=10**8)) for image in images], len(images)
        ),
        "phash": _rate(lambda: phash(pictures), len(pictures)),
    }
    if clip is None:
        return stages, BATCHES[-1]
    meter = ClipMeter(clip, device=device)
    stages["prepare"] = _rate(lambda: [meter.prepare(picture) for picture in pictures], len(pictures))
    prepared = torch.stack([meter.prepare(picture) for picture in pictures])
    captions = [" ".join(WORDS)] * len(pictures)
    rates = {
        n: _rate(lambda n=n: meter.scores(meter.embed_prepared(prepared[:n]), captions[:n]), n)
        for n in BATCHES
    }
    best = max(rates, key=lambda n: rates[n])
    return stages | {"CLIP": rates[best]}, best


def _rate(run: Callable[[], Any], count: int) -> float:
    """Items a second, after one run to warm up."""
    run()
    start, runs = _now(), 0
    while _now() - start < STAGE_S:
        run()
        runs += 1
    return runs * count / (_now() - start)


def _filter(root: Path, name: str, clip: ScorerConfig | None, batch: int) -> float:
    """Seconds of a whole filter run."""
    start = _now()
    filter_shards(
        str(root / name),
        str(root / f"{name}_out"),
        rules=Rules(
            min_resolution=64, dedup=("phash",), **({"clip": clip_name(clip), "min_clip": -1} if clip else {})
        ),
        config=ScoreConfig(clip=clip, phash=True, batch=batch),
        workers=Workers(count=1),
        is_quiet=True,
    )
    return _now() - start
