"""Latency and throughput of one model by batch and precision, its text encoder included and apart. Writes nothing."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from t2igan import images, rng
from t2igan.bench.cold import PROMPT
from t2igan.bench.machine import describe, quantiles
from t2igan.bench.sample import draw, latencies
from t2igan.errors import UsageError
from t2igan.pipeline import DEFAULT_MODEL, TextToImage
from t2igan.sampling import choose_device

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WARM_UPS = 10  # untimed draws of each batch and precision


def bench_speed(
    model: str | None = None,
    *,
    batches: Sequence[int] = (1, 8, 32),
    precisions: Sequence[str] = ("fp32",),
    repeats: int = 50,
    device: str = "auto",
) -> dict[str, Any]:
    """Measure prompt-to-pixels: caption strings in, uint8 pixels on the CPU out.

    Args:
        model: checkpoint, or embedded:NAME; None = the model inside the package.
        batches: images at once.
        precisions: of PRECISIONS; other than fp32 run under torch's autocast.
        repeats: timed draws of each; fewer, but at least 3, once 20 s are over.
        device: `auto`, cpu, cuda or mps.

    Returns:
        Plain values: "rows" of {"batch", "precision", "repeats", "latency_ms", "text_ms", "generator_ms" (quantiles),
        "images_per_s" (of the median)}, "resolution", "processor", "device", "threads", "torch".

    Raises:
        UsageError: for counts below 1, an unknown precision, or a device that is not there.
        CheckpointError: if the model cannot be read.
    """
    if min(batches, default=0) < 1 or repeats < 1:
        raise UsageError(f"--batch {list(batches)}, --repeats {repeats}: at least 1.")
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown or not precisions:
        raise UsageError(f"--precision {', '.join(unknown)}: one or more of {', '.join(PRECISIONS)}.")
    place = choose_device(device)
    text_to_image = TextToImage.from_checkpoint(model, device=place)
    rows = [_row(text_to_image, batch, name, repeats) for name in precisions for batch in batches]
    return {
        "model": str(model or DEFAULT_MODEL),
        "resolution": text_to_image.resolution,
        "parameters": sum(p.numel() for p in text_to_image.G.parameters()),
        "warm_ups": WARM_UPS,
        "processor": processor(place),
        **describe(place),
        "rows": rows,
    }


def processor(device: torch.device) -> str:
    """The name of the chip that computes."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    told = Path("/proc/cpuinfo")
    lines = told.read_text(errors="replace").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), platform.processor() or platform.machine())


def _row(model: TextToImage, batch: int, precision: str, repeats: int) -> dict[str, Any]:
    whole = _measure(lambda: draw(model, batch), model, precision, repeats)
    text = _measure(lambda: model.conditioner([PROMPT] * batch), model, precision, repeats)
    c = model.conditioner([PROMPT] * batch)
    z = rng.latents(range(batch), model.G.z_dim).to(model.device)
    rest = _measure(
        lambda: images.to_uint8(model.G(z, c, psi=1.0, noise_mode="const")).cpu(), model, precision, repeats
    )
    return {
        "batch": batch,
        "precision": precision,
        "repeats": len(whole),
        "latency_ms": _ms(whole),
        "text_ms": _ms(text),
        "generator_ms": _ms(rest),
        "images_per_s": batch / quantiles(whole)["p50"],
    }


def _measure(run: Callable[[], Any], model: TextToImage, precision: str, repeats: int) -> list[float]:
    with torch.inference_mode(), autocast(model.device, precision):
        for _ in range(WARM_UPS):
            run()
        return latencies(run, repeats, model.device)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context in which a network computes in one of PRECISIONS."""
    dtype = PRECISIONS[precision]
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def _ms(seconds: Sequence[float]) -> dict[str, float]:
    return {name: value * 1000 for name, value in quantiles(seconds).items()}
