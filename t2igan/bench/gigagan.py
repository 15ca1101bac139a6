"""GigaGAN's forward pass and training step beside the community's port, in turns. Writes nothing, judges no picture.

Both have the same parameters within a few per cent, the same sizes of maps and attention, and no text. What they compute
differs as docs/gigagan.md says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import repeat
from statistics import median
from typing import Any

import torch
from torch import Tensor

from t2igan.bench.gigagan_port import PENALTY_EVERY, SIDE, VERSION, Z_DIM, Port
from t2igan.bench.machine import describe, matmul_gflops
from t2igan.bench.speed import processor
from t2igan.bench.train import MeteredState, run_steps
from t2igan.errors import UsageError
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import GanRecipe
from t2igan.train.setup import setup_gan
from t2igan.types import Batch, Condition

PARTS = ("forward", "training")
TRAINING_BATCH, R1_EVERY, WIDTH, TOKENS = 4, 16, 16, 4
CPU = torch.device("cpu")
# The port's: 512 channels at 4 px down to 32 at 64 px, two kernels, attention at 16 and 32 px.
RECIPE = (
    "name=bench",
    "data={kind: shapes}",
    f"conditioner={{kind: hashing, dim: {WIDTH}, tokens: true}}",
    f"generator={{arch: gigagan, z_dim: {Z_DIM}, w_dim: {Z_DIM}, c_dim: {WIDTH}, resolution: {SIDE}, "
    f"text: {{width: {WIDTH}, depth: 0, heads: 1}}, mapping_layers: 4, channel_base: 2048, channel_max: 512, "
    "blocks: [2, 1, 1, 1, 1], kernels: [2], attention: {16: 1, 32: 1}, cross_attention: false}",
    f"discriminator={{arch: gigagan, resolution: {SIDE}, c_dim: {WIDTH}, "
    f"text: {{width: {WIDTH}, depth: 0, heads: 1}}, channel_base: 2048, channel_max: 512, blocks: [3, 2, 2, 2, 2], "
    "attention: {16: 1, 32: 1}, predictor_layers: 2}",
    f"loss={{kind: gigagan, match_weight: 0, r1_every: {R1_EVERY}}}",
    f"train={{batch: {TRAINING_BATCH}, precision: fp32}}",
    f"stages=[{{resolution: {SIDE}, kimg: 1}}]",
)
Run = Callable[[], Any]
Seconds = dict[str, list[float]]  # side -> of each round


def bench_gigagan(
    parts: Sequence[str],
    port: Port | None,
    *,
    batches: Sequence[int] = (1, 4),
    rounds: int = 5,
    threads: int = 1,
    sets: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure ours and the port, first drawing, then training; each round does everything once.

    Args:
        parts: of PARTS.
        port: None = ours alone.
        batches: images at once in the forward pass.
        rounds: measured, after one to warm up.
        threads: of torch.
        sets: changes of our recipe, after which the two may no longer be of one size; for tests.

    Returns:
        Plain values: "parameters" of G and D by side, "rows" of {"what", "ours_s", "port_s", "ratio"} with medians of CPU
        seconds of all threads (None without a port), "matmul_gflops" in float32, and the machine.

    Raises:
        UsageError: for unknown parts or counts below 1.
    """
    if min(batches, default=0) < 1 or rounds < 1 or threads < 1 or not parts or set(parts) - set(PARTS):
        raise UsageError(f"parts must be some of {', '.join(PARTS)}, and all counts 1 or more.")
    torch.set_num_threads(threads)
    recipe = load_recipe("smoke", [*RECIPE, *sets])
    assert isinstance(recipe, GanRecipe)
    ours = MeteredState(**vars(setup_gan(recipe, 0, CPU)))
    seconds: dict[str, Seconds] = {}
    if "forward" in parts:
        work = {f"forward, batch {batch}": _forward(ours, port, batch) for batch in batches}
        seconds |= _in_turns(work, rounds)
    if "training" in parts:
        seconds |= _in_turns(_training(ours, port), rounds)
    rows = [_row(what, by_side) for what, by_side in seconds.items()]
    if "training" in parts:
        rows.append(_amortised({row["what"]: row for row in rows}))
    return {
        "port": VERSION if port else None,
        "parameters": {
            side: {key: sum(p.numel() for p in networks[key].parameters()) for key in ("G", "D")}
            for side, networks in (("ours", ours.networks), *([("port", port.networks)] if port else []))
        },
        "rounds": rounds,
        "rows": rows,
        "processor": processor(CPU),
        **describe(CPU),
        "matmul_gflops": matmul_gflops(CPU, torch.float32),
    }


def _forward(ours: MeteredState, port: Port | None, batch: int) -> dict[str, Run]:
    """Latents to images, without text layers on the port's side, and next to none on ours."""
    G: Any = ours.networks["G"]
    z = torch.randn(batch, G.z_dim)
    c = Condition(
        tokens=torch.randn(batch, TOKENS, G.c_dim), mask=torch.ones(batch, TOKENS, dtype=torch.bool)
    )
    return {"ours": lambda: _draw(G, z, c)} | ({"port": lambda: port.draw(z)} if port else {})


@torch.no_grad()
def _draw(G: Any, z: Tensor, c: Condition) -> Tensor:
    return G(z, c)


def _training(ours: MeteredState, port: Port | None) -> dict[str, dict[str, Run]]:
    """A step of D and one of G, without and with the gradient penalty of each."""
    side = ours.resolution
    real = torch.rand(TRAINING_BATCH, 3, side, side)
    batch = Batch((real * 255).byte(), ("a red square",) * TRAINING_BATCH)

    def step(has_penalty: bool) -> None:
        ours.step = R1_EVERY * (ours.step // R1_EVERY + 1) + (0 if has_penalty else 1)
        run_steps(ours, repeat(batch), 1)

    work: dict[str, dict[str, Run]] = {
        "training step": {"ours": lambda: step(False)},
        "training step with penalty": {"ours": lambda: step(True)},
    }
    if port:
        work["training step"]["port"] = lambda: port.step(real, has_penalty=False)
        work["training step with penalty"]["port"] = lambda: port.step(real, has_penalty=True)
    return work


def _in_turns(work: dict[str, dict[str, Run]], rounds: int) -> dict[str, Seconds]:
    """CPU seconds of every piece of work in each round but the first; who begins changes with the round."""
    seconds: dict[str, Seconds] = {what: {side: [] for side in runs} for what, runs in work.items()}
    for number in range(1 + rounds):
        for what, runs in work.items():
            for side, run in list(runs.items())[:: -1 if number % 2 else 1]:
                start = time.process_time()
                run()
                if number:
                    seconds[what][side].append(time.process_time() - start)
    return seconds


def _row(what: str, by_side: Seconds) -> dict[str, Any]:
    ours = median(by_side["ours"])
    port = median(by_side["port"]) if "port" in by_side else None
    return {"what": what, "ours_s": ours, "port_s": port, "ratio": None if port is None else ours / port}


def _amortised(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The mean step, each side with its own interval of its penalty."""
    plain, penalty = rows["training step"], rows["training step with penalty"]
    ours, port = (
        [((every - 1) * plain[key] + penalty[key]) / every] if plain[key] is not None else []
        for key, every in (("ours_s", R1_EVERY), ("port_s", PENALTY_EVERY))
    )
    return _row("training, mean step", {"ours": ours} | ({"port": port} if port else {}))
