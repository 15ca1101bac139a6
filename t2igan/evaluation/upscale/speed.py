"""How long each way to enlarge takes, bytes in and bytes out, on this machine. A number of the machine, so never cached."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from t2igan.evaluation.upscale.methods import Method

WARM_UPS, REPEATS, LEAST = 3, 20, 3  # untimed calls, timed ones, and how many of these whatever they cost
SECONDS = 5.0  # after which no further call is timed


def speeds(
    methods: Sequence[Method], low: Tensor, captions: Sequence[str], *, batch: int
) -> dict[str, dict[str, Any]]:
    """Time every method.

    Args:
        methods: ways to enlarge.
        low: small pictures [N, 3, h, w] uint8; repeated where `batch` is more.
        captions: theirs.
        batch: pictures at once for images_per_s.

    Returns:
        Method -> {"ms_per_image" (median of one picture at a time), "images_per_s" (median of batches), "batch", "device"}.
    """
    rows = torch.arange(batch) % len(low)
    many, texts = low[rows], [captions[int(row)] for row in rows]
    found = {}
    for method in methods:
        one = _median(partial(method, low[:1], captions[:1], [0]))
        several = one if batch == 1 else _median(partial(method, many, texts, [0] * batch))
        found[method.name] = {
            "ms_per_image": 1000 * one,
            "images_per_s": batch / several,
            "batch": batch,
            "device": _named(method.device),
        }
    return found


def _median(call: Callable[[], Tensor]) -> float:
    """Seconds of a call, which ends with its result on the CPU and so waits for a GPU."""
    start = time.perf_counter()
    for _ in range(WARM_UPS):
        call()
        if time.perf_counter() - start > SECONDS:
            break
    taken: list[float] = []
    while len(taken) < LEAST or (len(taken) < REPEATS and sum(taken) < SECONDS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
