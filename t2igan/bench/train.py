"""Speed of a recipe's training: the real networks, loss and loop, with a meter on them. Writes no run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from t2igan import dist
from t2igan.bench.machine import count_flops, describe, matmul_peaks, now, quantiles
from t2igan.bench.meter import Meter
from t2igan.data.loader import build_loader
from t2igan.errors import UsageError
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.recipe.stages import num_stages
from t2igan.train.embeddings import choose_embeddings
from t2igan.train.log import memory_gb
from t2igan.train.loop import train
from t2igan.train.machine import setup_machine
from t2igan.train.setup import setup_encoder, setup_gan
from t2igan.train.state import TrainState
from t2igan.types import Batch, Condition

AnyRecipe = GanRecipe | EncoderRecipe
WARM_UPS = 2  # steps
# network -> methods that it may have, and the part that they are booked on; a network that is not here: its children
PARTS = {
    "G": {"forward": "G forward", "pyramid": "G forward"},
    "D": {"features": "D features", "trunk": "D features", "project": "D heads", "score": "D heads"},
    "T": {"forward": "T forward"},
}


@dataclass
class MeteredState(TrainState):
    """A TrainState whose steps are booked on a meter."""

    meter: Meter = field(default_factory=Meter)

    def condition(self, captions: Sequence[str]) -> Condition:
        """As ever."""
        with self.meter.part("text"):
            return super().condition(captions)

    def apply_gradients(self, name: str) -> None:
        """As ever."""
        with self.meter.part("optimiser"):
            super().apply_gradients(name)
        self.meter.turn("other")  # the backward pass before it is over

    def advance(self, num_images: int) -> None:
        """As ever."""
        with self.meter.part("EMA"):
            super().advance(num_images)


def bench_train(recipe: AnyRecipe, *, steps: int = 10, stage: int | None = None) -> dict[str, Any]:
    """Measure training steps of a recipe on this machine, from fresh weights.

    The steps run three times: as in training, for the speed; with the device waited for at every border between
    parts, for the split; and once with a counter of FLOPs.

    Args:
        recipe: what to train.
        steps: measured steps, after two to warm up.
        stage: which stage, from 1; None = the last.

    Returns:
        Plain values: "images_per_s" from the median step, "step_s" quantiles, "parts": name -> {"seconds" a step, "share",
        "gflop" a step, "share_of_peak"}, "gflop_per_image", "gflops" reached, "matmul_gflops" and "share_of_peak" by
        precision, "peak_memory_gb" (of the GPU, else of the process), and what was measured.

    Raises:
        UsageError: if there is no such stage, or several processes measure together.
        T2IGanError: whatever building or training the recipe raises.
    """
    if steps < 1:
        raise UsageError(f"--steps {steps}: at least 1.")
    device = setup_machine(recipe.train)
    if dist.world() > 1:
        raise UsageError("t2igan bench measures one process: start it without torchrun.")
    state = build(recipe, stage, device)
    batches = watch(state, batches_of(recipe, state))
    run_steps(state, batches, WARM_UPS)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = run_steps(state, batches, steps)
    peaks = matmul_peaks(device, state.dtype)
    state.meter.start(lambda: now(device))
    run_steps(state, batches, steps)
    spent = {name: total / steps for name, total in state.meter.stop().items()}
    counted, flops = _flops(state, batches)
    precision = str(state.dtype).removeprefix("torch.")
    return {
        "recipe": recipe.name,
        "resolution": state.resolution,
        "batch": state.config.batch,
        "batch_gpu": state.config.batch_gpu or state.config.batch,
        "precision": precision,
        **describe(device),
        "steps": steps,
        **speed(seconds, state.config.batch, flops, peaks),
        "parts": _shares(spent, counted, peaks[precision]),
        "peak_memory_gb": memory_gb(device),
    }


def build(recipe: AnyRecipe, stage: int | None, device: torch.device) -> MeteredState:
    """A stage of a recipe, from 1, or its last, with fresh weights.

    Raises:
        UsageError: if there is no such stage.
    """
    last = num_stages(recipe)
    number = last if stage is None else stage
    if not 1 <= number <= last:
        raise UsageError(f"--stage {number}: recipe {recipe.name} has stages 1 to {last}.")
    is_gan = isinstance(recipe, GanRecipe)
    state = setup_gan(recipe, number - 1, device) if is_gan else setup_encoder(recipe, device)
    return MeteredState(**vars(state))


def batches_of(recipe: AnyRecipe, state: TrainState) -> Iterator[Batch]:
    """A recipe's batches from the first one on."""
    return build_loader(
        recipe.data,
        resolution=state.resolution,
        batch=state.config.batch,
        seed=recipe.train.seed,
        workers=recipe.train.workers,
        embeddings=choose_embeddings(recipe.data, state).fingerprint,
    )


def watch(state: MeteredState, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Put the state's meter on everything that a step calls; returns the batches, watched as well."""
    if state.config.compile:
        _watch_phases(state)
    else:
        _watch_parts(state)
    return iter(state.meter.timed("data", batches.__next__), None)


def _watch_phases(state: MeteredState) -> None:
    """Phases as wholes: a meter inside would break the compiled graph."""
    for number, (phase, module) in enumerate(state.phases):
        whole: Any = state.meter.timed(f"loss of {phase.name}", module, then=f"backward of {phase.trains}")
        state.phases[number] = (phase, whole)


def _watch_parts(state: MeteredState) -> None:
    meter, loss = state.meter, state.loss
    for name, network in state.networks.items():
        if name in PARTS:
            for method, part in PARTS[name].items():
                if hasattr(network, method):
                    setattr(network, method, meter.timed(part, getattr(network, method)))
        else:
            for key, child in network.named_children():
                child.forward = meter.timed(f"{name} {key}", child.forward)
    if getattr(loss, "guide", None) is not None:
        loss.guide = meter.timed("CLIP guidance", loss.guide)  # pyright: ignore[reportAttributeAccessIssue]
    for phase, module in state.phases:
        module.forward = meter.timed("loss", module.forward, then=f"backward of {phase.trains}")


def run_steps(state: TrainState, batches: Iterator[Batch], steps: int) -> list[float]:
    """Train for some steps; returns the seconds of each."""
    state.stop_nimg = state.nimg + steps * state.config.batch
    times = [now(state.device)]
    train(state, batches, lambda state: times.append(now(state.device)))
    return [end - start for start, end in pairwise(times)]


def _flops(state: MeteredState, batches: Iterator[Batch]) -> tuple[dict[str, float], float]:
    """FLOPs of one step, by part and in all."""

    def run(read: Any) -> None:
        state.meter.start(read)
        run_steps(state, batches, 1)
        parts.update(state.meter.stop())

    parts: dict[str, float] = {}
    # A counter sees the operations of eager code only; without train.compile the stance changes nothing.
    with torch.compiler.set_stance("force_eager"):
        return parts, count_flops(run)


def speed(seconds: list[float], images: int, flops: float, peaks: dict[str, float]) -> dict[str, Any]:
    """Rates of steps of `images` images and `flops` FLOPs each; `peaks`: precision -> GFLOP/s."""
    step = quantiles(seconds)
    reached = flops / step["p50"] / 1e9
    return {
        "step_s": step,
        "images_per_s": images / step["p50"],
        "gflop_per_image": flops / images / 1e9,
        "gflops": reached,
        "matmul_gflops": peaks,
        "share_of_peak": {name: reached / peak for name, peak in peaks.items()},
    }


def _shares(seconds: dict[str, float], flops: dict[str, float], peak: float) -> dict[str, dict[str, float]]:
    """By part, longest first."""
    whole = sum(seconds.values())
    return {
        name: {
            "seconds": spent,
            "share": spent / whole,
            "gflop": flops.get(name, 0.0) / 1e9,
            "share_of_peak": flops.get(name, 0.0) / 1e9 / spent / peak if spent else 0.0,
        }
        for name, spent in sorted(seconds.items(), key=lambda item: -item[1])
    }
