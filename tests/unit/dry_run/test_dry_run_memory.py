"""Memory of a stage: fake tensors against real ones, and the sum of a GPU."""

from __future__ import annotations

import itertools

import pytest
import torch
from tiny import BATCH, tiny_encoder, tiny_recipe
from torch._subclasses.fake_tensor import FakeTensorMode

from t2igan.bench.train import run_steps
from t2igan.dry_run.live_memory import LiveMemory
from t2igan.dry_run.memory import memory_of
from t2igan.dry_run.probe import Probe, ProbedState, make_moments, probe, standing_tensors
from t2igan.dry_run.split import Split
from t2igan.dry_run.weightless import AnyRecipe
from t2igan.recipe.schema import GanRecipe
from t2igan.train.setup import setup_encoder, setup_gan
from t2igan.types import Batch

CPU = torch.device("cpu")
SHARED = "loss.shared_fakes=true"


def probed(recipe: AnyRecipe, piece: int = BATCH, *, accumulates: bool = False) -> Probe:
    return probe(recipe, 0, piece, accumulates=accumulates, dtype=torch.float32)


@pytest.fixture(scope="module")
def plain() -> ProbedState:
    """The tiny recipe with a whole step in one piece."""
    return probed(tiny_recipe()).state


def for_real(recipe: AnyRecipe) -> ProbedState:
    """The same look at a step on real tensors."""
    state = setup_gan(recipe, 0, CPU) if isinstance(recipe, GanRecipe) else setup_encoder(recipe, CPU)
    state = ProbedState(**vars(state))
    make_moments(state)
    state.memory = LiveMemory(standing_tensors(state))
    size = state.resolution
    images = torch.zeros(BATCH, 3, size, size, dtype=torch.uint8)
    batch = Batch(images, ("a photograph",) * BATCH, torch.zeros(BATCH, 8, dtype=torch.int64))
    with state.memory:
        run_steps(state, itertools.repeat(batch), 1)
    return state


def split(pieces: int = 1, ranks: int = 1) -> Split:
    return Split(batch=BATCH * pieces * ranks, ranks=ranks, piece=BATCH, pieces=pieces, steps=1)


@pytest.mark.parametrize("is_fake", [False, True])
def test_live_memory_counts_what_lives_and_its_peak(is_fake: bool):
    def run() -> None:
        x, linear = torch.ones(10, 100), torch.nn.Linear(100, 100, bias=False)
        with LiveMemory([x, *linear.parameters()]) as memory:
            y = linear(x)
            assert memory.live == 4000  # float32 [10, 100]
            view = y.view(5, 200)
            del y
            assert memory.live == 4000  # a view holds its storage
            del view
            assert (memory.live, memory.peak) == (0, 4000)
            linear(x).sum().backward()
            assert memory.live == 40_000  # the gradient stays
            memory.restart()
            assert memory.peak == memory.live

    if is_fake:
        with FakeTensorMode(allow_non_fake_inputs=True):
            run()
    else:
        run()


@pytest.mark.parametrize("name", ["gan", "shapes_clip", "shapes_judge"])
def test_fake_tensors_take_the_bytes_of_real_ones(name: str):
    recipe = tiny_recipe(SHARED) if name == "gan" else tiny_encoder(name, 1)
    fake, real = probed(recipe).state, for_real(recipe)
    assert [phase.gradients for phase in fake.phase_bytes] == [phase.gradients for phase in real.phase_bytes]
    for mine, theirs in zip(fake.phase_bytes, real.phase_bytes, strict=True):
        assert mine.working == pytest.approx(theirs.working, rel=0.02)  # some kernels' own temporaries differ
    assert fake.kept_bytes == pytest.approx(real.kept_bytes, abs=64)


def test_rows_are_parameters_times_bytes(plain: ProbedState):
    counts = {name: sum(p.numel() for p in params.values()) for name, params in plain.params.items()}
    rows = memory_of(plain, split(), is_sharded=False).rows
    steps = 4 * sum(len(params) for params in plain.params.values())  # Adam counts steps of each parameter
    assert rows["moments of Adam"] == 8 * sum(counts.values()) + steps
    assert rows["gradients"] == 4 * max(counts.values())
    noise = sum(buffer.nbytes for buffer in plain.networks["G"].buffers())
    assert rows["averages"] == 4 * counts["G"] + noise
    assert "buffers to exchange gradients" not in rows
    many = memory_of(plain, split(ranks=2), is_sharded=False).rows
    assert many["buffers to exchange gradients"] == 4 * sum(counts.values())


def test_more_pieces_need_no_more_activations_but_their_images_and_kept_features():
    found = probed(tiny_recipe(SHARED), accumulates=True).state
    two, four = (memory_of(found, split(pieces), is_sharded=False).rows for pieces in (2, 4))
    assert two["activations and temporaries"] == four["activations and temporaries"]
    batch = "images and embeddings of the batch"
    assert four[batch] == 2 * two[batch]
    # 8 images: maps of 8 x 8 x 8 and 16 x 4 x 4 float32, as the random backbone gives them
    assert found.kept_bytes == pytest.approx(BATCH * 4 * (8 * 64 + 16 * 16), abs=64)
    assert "features kept for D" in two


def test_half_the_batch_takes_about_half_the_activations(plain: ProbedState):
    half = probed(tiny_recipe(), BATCH // 2).state
    ratio = half.phase_bytes[1].working / plain.phase_bytes[1].working
    assert 0.4 < ratio < 0.75  # what has the size of the weights stays


def test_sharding_divides_what_has_an_average(plain: ProbedState):
    whole = memory_of(plain, split(ranks=4), is_sharded=False).rows
    shared = memory_of(plain, split(ranks=4), is_sharded=True).rows
    count, heads = (sum(p.numel() for p in plain.params[name].values()) for name in ("G", "D"))
    assert whole["averages"] - shared["averages"] == 3 * count  # three quarters of four bytes
    assert shared["gradients"] == count
    assert shared["buffers to exchange gradients"] == 4 * heads
    assert 0 < shared["gathered parts of split networks"] < 3 * 4 * count
    assert shared["frozen networks"] == whole["frozen networks"]
    assert memory_of(plain, split(), is_sharded=True).rows == memory_of(plain, split(), is_sharded=False).rows
