"""Compiled phases: one graph each, compiled once, with eager numbers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from full_loss import FULL
from tiny import tiny_recipe
from torch import Tensor
from torch._dynamo.backends.debugging import aot_eager

from t2igan.data.loader import build_loader
from t2igan.errors import UsageError
from t2igan.recipe.schema import GanRecipe, TrainConfig
from t2igan.train.loop import train
from t2igan.train.machine import setup_machine
from t2igan.train.setup import setup_gan
from t2igan.train.state import TrainState

CPU = torch.device("cpu")
COMPILER = os.environ.get("CXX", "g++")
# Fused kernels sum in another order; Adam divides by the gradient's size, and with this eps not by its rounding.
ADAM = tuple(f"optim.{name}={{learning_rate: 2e-3, eps: 1e-3}}" for name in "GDT")
TOLERANCE = 1e-6
CROPPED = "discriminator.backbone.image_size=8"  # smaller than the images, so that crops are drawn


def fresh(*sets: str, stages: tuple[tuple[int, int], ...] = ((16, 1),)) -> tuple[GanRecipe, TrainState]:
    torch.compiler.reset()
    recipe = tiny_recipe(*ADAM, *sets, stages=stages)
    return recipe, setup_gan(recipe, 0, CPU)


def run(recipe: GanRecipe, state: TrainState, *, steps: int, start: int = 0) -> dict[str, Tensor]:
    """Train; every tensor of every network after it."""
    state.nimg = start
    state.stop_nimg = start + steps * state.config.batch
    batches = build_loader(recipe.data, resolution=state.resolution, batch=state.config.batch, seed=0)
    train(state, batches, lambda _: None)
    return {f"{k}.{name}": v for k, net in state.networks.items() for name, v in net.state_dict().items()}


def compile_phases(
    state: TrainState, then: Callable[..., Any] = lambda graph, _: graph, *, names: str = "DG"
) -> list[Any]:
    """Turn each phase of `names` into one graph that `then` runs, or fail; the graphs, as they come."""
    graphs: list[Any] = []

    def backend(graph: Any, examples: Any) -> Any:
        graphs.append(graph)
        return then(graph, examples)

    for phase, module in state.phases:
        if phase.name in names:
            module.compile(backend=backend, fullgraph=True)
    return graphs


def largest_difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[key].double() - second[key].double()).abs().max()) for key in first)


def test_each_phase_is_one_graph_traced_once_forwards_and_backwards_and_no_bit_changes():
    sets = ("loss.shared_fakes=true", "loss.noise_mode=random", "train.batch_gpu=4", CROPPED)
    eager = run(*fresh(*sets), steps=3)
    recipe, state = fresh(*sets)
    graphs = compile_phases(state, aot_eager)
    assert largest_difference(eager, run(recipe, state, steps=3)) == 0
    assert len(graphs) == 2


def test_a_vision_transformer_guidance_and_a_text_encoder_that_trains_break_no_graph():
    recipe, state = fresh(*FULL, "stages=[{resolution: 16, kimg: 1, trains: text_encoder}]")
    graphs = compile_phases(state)
    run(recipe, state, steps=2)
    assert len(graphs) == 2


def test_a_phase_is_compiled_once_more_when_the_blur_has_faded():
    recipe, state = fresh("loss.blur_fade_kimg=1.1")
    graphs = compile_phases(state, names="D")
    run(recipe, state, steps=2)
    run(recipe, state, steps=2, start=500)  # less of it, and a narrower one
    assert len(graphs) == 1
    run(recipe, state, steps=2, start=1_096)
    assert len(graphs) == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no C++ compiler {COMPILER!r} on this machine")
def test_generated_code_trains_the_generator_to_eager_weights():
    sets = (
        "discriminator.backbone={kind: random_conv, image_size: 8, channels: [8]}",
        "discriminator.augment=none",  # each operation fewer is a second less
        "loss.blur_fade_kimg=0",
        "generator.mapping_layers=1",
        "generator.noise=false",
    )
    eager = run(*fresh(*sets, stages=((8, 1),)), steps=3)
    recipe, state = fresh(*sets, stages=((8, 1),))
    {phase.name: module for phase, module in state.phases}["G"].compile()  # D's kernels take as long again
    assert largest_difference(eager, run(recipe, state, steps=3)) < TOLERANCE


def test_without_a_compiler_the_run_does_not_begin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UsageError, match="'no-such-compiler' is not on this machine"):
        setup_machine(TrainConfig(compile=True))
