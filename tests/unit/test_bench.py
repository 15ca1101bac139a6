"""What the bench counts. Seconds are machines' business; sums, FLOPs and counts have known answers."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from t2igan.bench.cold import split
from t2igan.bench.machine import count_flops, matmul_gflops, quantiles
from t2igan.bench.meter import Meter
from t2igan.bench.sample import bench_sample, latencies
from t2igan.bench.train import MeteredState, bench_train, run_steps, speed, watch
from t2igan.data.loader import build_loader
from t2igan.errors import UsageError
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import GanRecipe
from t2igan.train.saving import save_generator
from t2igan.train.setup import setup_gan

CPU = torch.device("cpu")
BATCH = 4
TINY = [f"train.batch={BATCH}", "train.precision=fp32", "train.threads=1", "generator.channel_max=32"]


def tiny() -> tuple[GanRecipe, MeteredState]:
    recipe = load_recipe("smoke", TINY)
    assert isinstance(recipe, GanRecipe)
    return recipe, MeteredState(**vars(setup_gan(recipe, 0, CPU)))


def batches_of(recipe: GanRecipe):
    return build_loader(recipe.data, resolution=32, batch=BATCH, seed=0)


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return bench_train(load_recipe("smoke", TINY), steps=1)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe, state = tiny()
    path = tmp_path_factory.mktemp("bench") / "tiny.safetensors"
    save_generator(state, recipe, path)
    return path


def test_a_meter_books_on_the_innermost_part_and_loses_nothing():
    meter, ticks = Meter(), itertools.count()
    meter.start(lambda: float(next(ticks)))  # reads 0; one more at every border
    with meter.part("outer"), meter.part("inner"):
        pass
    meter.turn("after")
    assert meter.stop() == {"other": 2, "outer": 2, "inner": 1, "after": 1}


def test_a_meter_books_what_follows_a_call_on_the_name_given():
    meter, ticks = Meter(), itertools.count()
    forward = meter.timed("forward", lambda x, *, y: x + y, then="backward")
    meter.start(lambda: float(next(ticks)))
    assert forward(1, y=2) == 3
    assert meter.stop() == {"other": 2, "forward": 1, "backward": 1}


@pytest.mark.parametrize(("has_input_grad", "products"), [(False, 2), (True, 3)])
def test_a_convolution_step_costs_its_forward_pass_once_more_for_every_gradient(
    has_input_grad: bool, products: int
):
    conv = torch.nn.Conv2d(8, 16, 3, padding=1, bias=False)
    x = torch.randn(2, 8, 10, 10, requires_grad=has_input_grad)
    flops = count_flops(lambda _: conv(x).sum().backward())
    assert flops == products * 2 * (2 * 16 * 10 * 10) * (8 * 3 * 3)


def test_a_linear_step_of_one_layer_costs_two_products():
    linear, x = torch.nn.Linear(32, 8), torch.randn(5, 32)
    assert count_flops(lambda _: linear(x).sum().backward()) == 2 * (2 * 5 * 32 * 8)


def test_every_flop_of_a_training_step_is_booked_on_one_part(trained: dict[str, Any]):
    booked = sum(part["gflop"] for part in trained["parts"].values())
    assert booked == pytest.approx(trained["gflop_per_image"] * BATCH, rel=1e-9)
    assert sum(part["share"] for part in trained["parts"].values()) == pytest.approx(1)


def test_the_generator_is_booked_for_one_pass_in_each_of_the_two_phases(trained: dict[str, Any]):
    recipe, state = tiny()
    z, c = torch.zeros(BATCH, state.z_dim), state.conditioner(["a"] * BATCH)
    assert recipe.loss.shared_fakes is False
    once = count_flops(lambda _: state.networks["G"](z, c, noise_mode=recipe.loss.noise_mode))
    assert trained["parts"]["G forward"]["gflop"] == pytest.approx(2 * once / 1e9, rel=1e-9)


def test_the_parts_of_a_gan_step_are_named(trained: dict[str, Any]):
    wanted = {"data", "text", "G forward", "D features", "D heads", "loss", "backward of G", "backward of D",
              "optimiser", "EMA", "other"}  # fmt: skip
    assert set(trained["parts"]) == wanted
    assert json.loads(json.dumps(trained)) == trained


def test_a_step_is_measured_at_its_median():
    found = speed([1.0, 2.0, 9.0], images=10, flops=4e9, peaks={"float32": 8.0})
    assert (found["images_per_s"], found["gflop_per_image"], found["gflops"]) == (5, 0.4, 2)
    assert found["share_of_peak"] == {"float32": 0.25}


def test_being_watched_changes_no_bit_of_training():
    results = []
    for is_watched in (False, True):
        recipe, state = tiny()
        batches = batches_of(recipe)
        seconds = run_steps(state, watch(state, batches) if is_watched else batches, 2)
        assert (len(seconds), state.nimg, state.step) == (2, 2 * BATCH, 2)
        results.append(torch.cat([p.detach().flatten() for p in state.networks["G"].parameters()]))
    assert torch.equal(*results)


@pytest.mark.parametrize(("steps", "stage"), [(0, None), (1, 2), (1, 0)])
def test_a_count_that_cannot_be_is_refused(steps: int, stage: int | None):
    with pytest.raises(UsageError):
        bench_train(load_recipe("smoke", TINY), steps=steps, stage=stage)


def test_sampling_reports_a_row_for_every_batch_size(generator: Path):
    found = bench_sample(str(generator), batches=(1, 3), repeats=2, device="cpu", cold_starts=0)
    assert [(row["batch"], row["repeats"]) for row in found["batches"]] == [(1, 2), (3, 2)]
    for row in found["batches"]:
        assert row["images_per_s"] == pytest.approx(row["batch"] * 1000 / row["latency_ms"]["p50"])
    assert found["gflop_per_image"] > 0
    assert found["cold_start"] is None
    assert json.loads(json.dumps(found)) == found


def test_sampling_refuses_an_empty_batch(generator: Path):
    with pytest.raises(UsageError, match="at least 1"):
        bench_sample(str(generator), batches=(8, 0))


def test_latencies_are_as_many_as_asked_for_after_two_to_warm_up():
    calls: list[int] = []
    assert len(latencies(lambda: calls.append(1), 5, CPU)) == 5
    assert len(calls) == 2 + 5


def test_quantiles_are_interpolated():
    assert quantiles([0.0, 1.0, 2.0, 3.0, 4.0]) == pytest.approx({"p50": 2, "p90": 3.6, "p99": 3.96})


def test_a_matmul_takes_time():
    assert 0 < matmul_gflops(CPU, torch.float32, side=64) < 1e6


def test_a_cold_start_books_imports_as_imports_wherever_they_happen():
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:    500000 |     500000 | site",  # before the first phase: the interpreter's own
        "t2igan phase: imports 101.0",
        "import time:   1500000 |    1500000 |   torch.nn",
        "import time:    250000 |    1750000 | torch",
        "t2igan phase: weights 103.0",
        "a warning from some library",
        "import time:    500000 |     500000 | open_clip",
        "t2igan phase: text 104.0",
        "t2igan phase: G 104.25",
        "t2igan phase: save 104.5",
        "t2igan phase: end 105.0",
    ]
    found = split(lines, start=100.0)
    assert found.pop("packages") == {"torch": 1.75, "open_clip": 0.5}
    assert found == {"total_s": 5.0, "python_s": 1.0, "imports_s": 2.5, "weights_s": 0.5, "text_s": 0.25,
                     "G_s": 0.25, "save_s": 0.5}  # fmt: skip
    assert sum(v for k, v in found.items() if k != "total_s") == found["total_s"]
