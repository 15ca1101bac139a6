"""Seconds of a micro-batch on this machine, from two warm-up steps, or why there are none. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from t2igan.bench.machine import describe, matmul_gflops
from t2igan.bench.train import run_steps
from t2igan.data.loader import build_loader
from t2igan.dry_run.probe import Probe
from t2igan.dry_run.split import Split, one_piece
from t2igan.dry_run.weightless import AnyRecipe, missing_weights
from t2igan.errors import T2IGanError
from t2igan.recipe.schema import GanRecipe
from t2igan.train.setup import setup_encoder, setup_gan

STEPS = 2
PATIENCE_S = 60.0  # for both steps
REACHED = 0.5  # share of the float32 matmul rate that a step reaches on a CPU, or more: docs/benchmarks.md
MATMUL_SIDE = 1024
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Timing:
    """Two steps of one micro-batch."""

    first_s: float  # with whatever is set up once
    second_s: float
    where: str

    def step_s(self, split: Split) -> float:
        """Seconds of a whole step, without exchange between ranks and without waiting for data."""
        return self.second_s * split.pieces


def this_device() -> torch.device:
    """Where training would run here."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def time_stage(recipe: AnyRecipe, stage: int, split: Split, probed: Probe, *, needed: int) -> Timing | str:
    """Time two steps of one micro-batch of a stage, or say why not.

    Args:
        recipe: the real one.
        stage: from 0.
        split: how its steps are shared.
        probed: the same micro-batch on fake tensors.
        needed: bytes of memory.
    """
    device = this_device()
    reason = _obstacle(recipe, split, probed, device, needed)
    if reason:
        return reason
    try:
        return _time(one_piece(recipe, split.piece), stage, split.piece, device)
    except T2IGanError as error:
        return str(error)


def _obstacle(recipe: AnyRecipe, split: Split, probed: Probe, device: torch.device, needed: int) -> str:
    missing = missing_weights(recipe)
    if missing:
        return "; ".join(line.partition(";")[0].rstrip(".") for line in missing)
    free = free_bytes(device)
    if free is not None and needed > free:
        return f"it needs about {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free here."
    if device.type == "cuda":
        return ""
    rate = matmul_gflops(device, torch.float32, side=MATMUL_SIDE) * 1e9
    seconds = STEPS * probed.step_flops * split.piece / (rate * REACHED)
    return (
        f"two steps of {split.piece} images would take about {seconds:,.0f} s here."
        if seconds > PATIENCE_S
        else ""
    )


def _time(recipe: AnyRecipe, stage: int, piece: int, device: torch.device) -> Timing:
    if recipe.train.threads is not None and device.type == "cpu":
        torch.set_num_threads(recipe.train.threads)
    state = (
        setup_gan(recipe, stage, device) if isinstance(recipe, GanRecipe) else setup_encoder(recipe, device)
    )
    loader = build_loader(recipe.data, resolution=state.resolution, batch=piece, seed=recipe.train.seed)
    batches = iter([next(loader) for _ in range(STEPS)])
    first, second = run_steps(state, batches, STEPS)
    facts = describe(device)
    threads = f", {facts['threads']} threads" if device.type == "cpu" else ""
    return Timing(first, second, f"{facts['device']}{threads}")


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; None = nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    lines = MEMINFO.read_text().splitlines() if MEMINFO.is_file() else []
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return available[0] if available else None
