"""Random numbers do not depend on batch, rank or world."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from t2igan import rng

DRAWS = [rng.batch_normal, rng.batch_uniform]


def test_the_latent_of_a_seed_is_the_same_in_any_batch():
    whole = rng.latents(range(8), 16)
    assert all(torch.equal(rng.latents([seed], 16)[0], whole[seed]) for seed in range(8))
    assert torch.equal(rng.latents([5, 2], 16), whole[[5, 2]])
    assert rng.latents([], 16).shape == (0, 16)
    assert len({float(row.sum()) for row in whole}) == 8


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_concatenate_to_the_batch_of_one_process(draw: Callable[..., torch.Tensor], world: int):
    whole = draw(7, 5, "D", 12, 10)
    parts = [draw(7, 5, "D", 12 // world, 10, rank=rank, world=world) for rank in range(world)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("draw", DRAWS)
def test_seed_step_and_name_each_change_the_numbers(draw: Callable[..., torch.Tensor]):
    drawn = [draw(*name, 4, 3) for name in ((0, 0, "D"), (1, 0, "D"), (0, 1, "D"), (0, 0, "G"))]
    assert len({float(numbers.sum()) for numbers in drawn}) == 4


@pytest.mark.parametrize("draw", DRAWS)
def test_numbers_neither_read_nor_change_the_global_generator(draw: Callable[..., torch.Tensor]):
    torch.manual_seed(0)
    first, state = draw(0, 0, "D", 4, 3), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(draw(0, 0, "D", 4, 3), first)
    torch.manual_seed(0)
    rng.latents([1, 2], 4)
    assert torch.equal(torch.get_rng_state(), state)


def test_uniform_and_normal_numbers_are_what_they_are_called():
    uniform, normal = rng.batch_uniform(0, 0, "D", 1000, 100), rng.batch_normal(0, 0, "D", 1000, 100)
    assert 0 <= float(uniform.min()) < 0.001
    assert 0.999 < float(uniform.max()) < 1
    assert float(normal.mean()) == pytest.approx(0, abs=0.02)  # 100,000 numbers: 0.003 standard error
    assert float(normal.std()) == pytest.approx(1, abs=0.02)


def test_a_name_gives_these_numbers_for_good():
    # A change here would change every run and break every resume.
    found = torch.rand(3, generator=rng.generator(0, 1, "D"))
    assert found.tolist() == pytest.approx(
        [0.8015931844711304, 0.6959401369094849, 0.7093522548675537], abs=1e-7
    )


def test_seeding_a_step_repeats_its_noise_and_differs_by_rank_and_step():
    drawn = []
    for rank, step in ((0, 0), (1, 0), (0, 1), (0, 0)):
        rng.seed_step(3, rank, step)
        drawn.append(float(torch.randn(())))
    assert drawn[0] == drawn[3]
    assert len(set(drawn)) == 3
