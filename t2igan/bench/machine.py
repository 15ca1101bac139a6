"""What the machine can do at best, and how time, memory and FLOPs are read. Measures no network of ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

SIDES = {"cpu": 2048, "cuda": 8192}  # of the square factors; a GPU is not filled by less
WARM_UPS, REPEATS = 2, 5
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def matmul_gflops(device: torch.device, dtype: torch.dtype, *, side: int | None = None) -> float:
    """The best of a few square matrix products, in 10^9 floating point operations a second.

    It stands for the machine's peak, with as many threads as torch has been given. (On CUDA, torch lets convolutions
    but not products of float32 matrices use TF32, so a network may pass the float32 peak.)

    Args:
        device: where.
        dtype: of the factors.
        side: of the factors; None = 2048, on CUDA 8192.
    """
    side = SIDES.get(device.type, SIDES["cpu"]) if side is None else side
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    seconds = [_seconds(lambda: torch.mm(a, b), device) for _ in range(WARM_UPS + REPEATS)]
    return 2 * side**3 / min(seconds[WARM_UPS:]) / 1e9


def matmul_peaks(device: torch.device, in_use: torch.dtype) -> dict[str, float]:
    """Name of a precision -> matmul_gflops, of float32 and of the one in use."""
    return {_name(dtype): matmul_gflops(device, dtype) for dtype in dict.fromkeys((torch.float32, in_use))}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    start = now(device)
    run()
    return now(device) - start


def now(device: torch.device) -> float:
    """Seconds on a steady clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def count_flops(run: Callable[[Callable[[], float]], Any]) -> float:
    """Floating point operations of matrix products and convolutions, forward and backward, while `run` runs.

    Args:
        run: called with a function that reads the counter so far.
    """
    with FlopCounterMode(display=False) as counter:
        run(lambda: float(counter.get_total_flops()))
    return float(counter.get_total_flops())


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 90th and 99th percentile, linearly interpolated."""
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}


def describe(device: torch.device) -> dict[str, Any]:
    """The device and the threads, as results state them."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__}
