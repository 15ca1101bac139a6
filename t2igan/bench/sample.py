"""Speed of sampling: latency by batch size, FLOPs, memory, and the first image of a fresh process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from t2igan.bench.cold import PROMPT, cold_start
from t2igan.bench.machine import count_flops, describe, matmul_peaks, now, quantiles
from t2igan.errors import UsageError
from t2igan.pipeline import DEFAULT_MODEL, TextToImage
from t2igan.sampling import choose_device
from t2igan.train.log import memory_gb

WARM_UPS = 2
MIN_REPEATS, MAX_SECONDS = 3, 20.0  # of one batch size


def bench_sample(
    model: str | None = None,
    *,
    batches: Sequence[int] = (1, 8, 64),
    repeats: int = 30,
    device: str = "auto",
    cold_starts: int = 3,
) -> dict[str, Any]:
    """Measure prompt-to-pixels, text encoder included, on this machine.

    Args:
        model: checkpoint, or embedded:NAME; None = the model inside the package.
        batches: images at once.
        repeats: timed draws of each; fewer, but at least 3, once 20 s are over.
        device: `auto`, cpu, cuda or mps.
        cold_starts: fresh processes that draw one image; 0 = none, else the median one is reported.

    Returns:
        Plain values: "batches": rows of {"batch", "repeats", "latency_ms" quantiles, "text_ms" median, "images_per_s",
        "share_of_peak"}, "gflop_per_image", "matmul_gflops", "peak_memory_gb", "cold_start" (see cold.py) or None.

    Raises:
        UsageError: for counts below 1, or a device that is not there.
        CheckpointError: if the model cannot be read.
    """
    if min(batches, default=0) < 1 or repeats < 1:
        raise UsageError(f"--batch {list(batches)}, --repeats {repeats}: at least 1.")
    place = choose_device(device)
    text_to_image = TextToImage.from_checkpoint(model, device=place)
    peaks = matmul_peaks(place, torch.float32)
    flops = count_flops(lambda _: draw(text_to_image, 1))
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    rows = [_row(text_to_image, batch, repeats, peaks["float32"] / flops * 1e9) for batch in batches]
    return {
        "model": str(model or DEFAULT_MODEL),
        "resolution": text_to_image.resolution,
        "precision": "float32",
        **describe(place),
        "batches": rows,
        "gflop_per_image": flops / 1e9,
        "matmul_gflops": peaks,
        "peak_memory_gb": memory_gb(place),
        "cold_start": cold_start(model, device=str(place), times=cold_starts) if cold_starts else None,
    }


def draw(model: TextToImage, batch: int) -> torch.Tensor:
    """One batch: uint8 [batch, 3, R, R] on the CPU."""
    return model.generate([PROMPT] * batch, list(range(batch)), batch_size=batch)


def _row(model: TextToImage, batch: int, repeats: int, peak_images_per_s: float) -> dict[str, Any]:
    whole = latencies(lambda: draw(model, batch), repeats, model.device)
    text = latencies(lambda: model.conditioner([PROMPT] * batch), repeats, model.device)
    latency = {name: value * 1000 for name, value in quantiles(whole).items()}
    rate = batch / latency["p50"] * 1000
    return {
        "batch": batch,
        "repeats": len(whole),
        "latency_ms": latency,
        "text_ms": quantiles(text)["p50"] * 1000,
        "images_per_s": rate,
        "share_of_peak": rate / peak_images_per_s,
    }


def latencies(run: Callable[[], Any], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each of `repeats` calls after two to warm up; of fewer, but at least 3, where they take long."""
    for _ in range(WARM_UPS):
        run()
    seconds: list[float] = []
    while len(seconds) < repeats and (len(seconds) < MIN_REPEATS or sum(seconds) < MAX_SECONDS):
        start = now(device)
        run()
        seconds.append(now(device) - start)
    return seconds
