"""A recipe's training step against the plain formulation of the same step, both in one process."""

from __future__ import annotations

import time
from typing import Any

import torch

from t2igan.bench.machine import matmul_peaks
from t2igan.bench.train import WARM_UPS, AnyRecipe, batches_of, build, run_steps
from t2igan.errors import UsageError
from t2igan.train.machine import setup_machine
from t2igan.train.state import TrainState


def bench_against_plain(recipe: AnyRecipe, *, steps: int = 3, stage: int | None = None) -> dict[str, Any]:
    """Time steps of a recipe and of the plain formulation in turns, so that both see the same machine.

    Plain is the generator as the official code computes it: per-sample weights, grouped convolutions, torch's operations.

    Args:
        recipe: what to train; its generator must know a plain formulation.
        steps: measured pairs of steps, after two pairs to warm up.
        stage: which stage, from 1; None = the last.

    Returns:
        "ours_s" and "plain_s": best wall-clock seconds of a step; "ratio" of them; "cpu_ratio" the same of CPU seconds;
        "forward_ratio" of the generator's forward pass; "matmul_gflops" by precision.

    Raises:
        UsageError: if the recipe trains no generator that has a plain formulation.
    """
    device = setup_machine(recipe.train)
    ours, plain = (build(recipe, stage, device) for _ in range(2))
    use_plain = getattr(plain.networks.get("G"), "use_plain_formulation", None)
    if use_plain is None:
        raise UsageError(f"recipe {recipe.name}: its network has no plain formulation to compare with.")
    use_plain()
    states = {"ours": (ours, batches_of(recipe, ours)), "plain": (plain, batches_of(recipe, plain))}
    wall: dict[str, list[float]] = {"ours": [], "plain": []}
    cpu: dict[str, list[float]] = {"ours": [], "plain": []}
    for number in range(WARM_UPS + steps):
        for name, (state, batches) in states.items():
            start = time.process_time()
            (seconds,) = run_steps(state, batches, 1)
            if number >= WARM_UPS:
                wall[name].append(seconds)
                cpu[name].append(time.process_time() - start)
    forward = {name: min(_forward(state) for _ in range(steps)) for name, (state, _) in states.items()}
    return {
        "ours_s": min(wall["ours"]),
        "plain_s": min(wall["plain"]),
        "ratio": min(wall["ours"]) / min(wall["plain"]),
        "cpu_ratio": min(cpu["ours"]) / min(cpu["plain"]),
        "forward_ratio": forward["ours"] / forward["plain"],
        "matmul_gflops": matmul_peaks(device, ours.dtype),
    }


@torch.no_grad()
def _forward(state: TrainState) -> float:
    """Seconds of one generator forward pass of a micro-batch."""
    n = state.config.batch_gpu or state.config.batch
    c = state.condition(["a picture"] * n)
    z = torch.randn(n, state.z_dim).to(state.device)
    G = state.networks["G"]
    if state.device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    with state.autocast():
        G(z, c, noise_mode="random")
    if state.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
