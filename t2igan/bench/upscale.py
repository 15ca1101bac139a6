"""Speed of enlarging: whole pictures by their side and by precision, FLOPs, memory. Writes nothing, judges no picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from t2igan.bench.cold import PROMPT
from t2igan.bench.machine import count_flops, describe, matmul_peaks, quantiles
from t2igan.bench.sample import latencies
from t2igan.bench.speed import PRECISIONS, autocast, processor
from t2igan.checkpoint import Header
from t2igan.errors import UsageError
from t2igan.models import build_upsampler
from t2igan.models.aura_sr.config import AuraSRConfig
from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.sampling import choose_device
from t2igan.text import build_conditioner
from t2igan.text.config import HashingConfig
from t2igan.train.log import memory_gb
from t2igan.upscaler.model import Upscaler
from t2igan.upscaling import DEFAULT_UPSCALER

Untrained = Literal["aura_sr", "gigagan_upsampler"]
CONFIGS = {"aura_sr": AuraSRConfig, "gigagan_upsampler": GigaGANUpsamplerConfig}
Tile = int | Literal["auto"]


def bench_upscale(
    model: str | None = None,
    *,
    untrained: str | None = None,
    sides: Sequence[int] = (64, 256),
    tile: Tile = "auto",
    precisions: Sequence[str] = ("fp32",),
    repeats: int = 10,
    device: str = "auto",
) -> dict[str, Any]:
    """Measure bytes in to bytes out on this machine, tiles and their seams included.

    Args:
        model: checkpoint, or the name of one inside the package; None = `shapes_x4`.
        untrained: an architecture at its published size with random weights, in place of a model.
        sides: of the square pictures that are enlarged, in pixels.
        tile: side of the tiles, as `t2igan upscale` takes it.
        precisions: of PRECISIONS; other than fp32 run under torch's autocast.
        repeats: timed runs of each; fewer, but at least 3, once 20 s are over.
        device: `auto`, cpu, cuda or mps.

    Returns:
        Plain values: "rows" of {"side", "precision", "repeats", "latency_ms" quantiles, "cpu_s" median of all threads,
        "megapixels_per_s" (of the result), "gflop", "share_of_peak"}, "model", "parameters", "scale", "matmul_gflops",
        "peak_memory_gb", and the machine.

    Raises:
        UsageError: for counts below 1, an unknown precision, architecture or device, or both a model and an architecture.
        CheckpointError: if the model cannot be read.
    """
    _check(model, untrained, sides, precisions, repeats)
    place = choose_device(device)
    upscaler = _untrained(untrained, place) if untrained else _read(model, place)
    peaks = {name: value for p in precisions for name, value in matmul_peaks(place, PRECISIONS[p]).items()}
    rows = [_row(upscaler, side, tile, precision, repeats) for precision in precisions for side in sides]
    for row in rows:
        peak = peaks[str(PRECISIONS[row["precision"]]).removeprefix("torch.")]
        row["share_of_peak"] = row["gflop"] / row["latency_ms"]["p50"] * 1000 / peak
    return {
        "model": f"untrained {untrained}" if untrained else model or DEFAULT_UPSCALER,
        "parameters": sum(p.numel() for p in upscaler.G.parameters()),  # pyright: ignore[reportAttributeAccessIssue]
        "scale": upscaler.G.scale,
        "rows": rows,
        "matmul_gflops": peaks,
        "peak_memory_gb": memory_gb(place),
        "processor": processor(place),
        **describe(place),
    }


def _check(
    model: str | None, untrained: str | None, sides: Sequence[int], precisions: Sequence[str], repeats: int
) -> None:
    if min(sides, default=0) < 1 or repeats < 1:
        raise UsageError(f"--side {list(sides)}, --repeats {repeats}: at least 1.")
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown or not precisions:
        raise UsageError(f"--precision {', '.join(unknown)}: one or more of {', '.join(PRECISIONS)}.")
    if untrained is not None and untrained not in get_args(Untrained):
        raise UsageError(f"--untrained {untrained}: known are {', '.join(get_args(Untrained))}.")
    if untrained is not None and model is not None:
        raise UsageError("--model and --untrained: give one of the two.")


def _read(model: str | None, device: torch.device) -> Upscaler:
    return Upscaler.from_checkpoint(DEFAULT_UPSCALER if model is None else model, device=device)


def _untrained(arch: str, device: torch.device) -> Upscaler:
    """Its text, if it reads any, comes from hashed words: the time of a real text encoder is not this command's."""
    torch.manual_seed(0)
    with device:
        G = build_upsampler(CONFIGS[arch]()).eval().requires_grad_(False)
    section = HashingConfig(dim=G.c_dim, tokens=True) if G.c_dim else None
    conditioner = build_conditioner(section, device=device) if section else None
    return Upscaler(G, conditioner, Header("upsampler"), "untrained", device)


def _row(model: Upscaler, side: int, tile: Tile, precision: str, repeats: int) -> dict[str, Any]:
    picture = torch.randint(
        256, (3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    prompt = PROMPT if model.reads_text else None
    cpu: list[float] = []

    def enlarge() -> Tensor:
        start = time.process_time()
        large = model.upscale(picture, tile=tile, prompt=prompt)
        cpu.append(time.process_time() - start)
        return large

    with torch.inference_mode(), autocast(model.device, precision):
        seconds = latencies(enlarge, repeats, model.device)
        flops = count_flops(_ignoring(enlarge))
    latency = {name: value * 1000 for name, value in quantiles(seconds).items()}
    return {
        "side": side,
        "precision": precision,
        "repeats": len(seconds),
        "latency_ms": latency,
        "cpu_s": quantiles(cpu[-len(seconds) - 1 : -1])["p50"],
        "megapixels_per_s": (side * model.G.scale) ** 2 / latency["p50"] / 1000,
        "gflop": flops / 1e9,
    }


def _ignoring(run: Callable[[], Tensor]) -> Callable[[object], Tensor]:
    return lambda _: run()
