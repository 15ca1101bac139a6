"""One step and its failures, with a network of two numbers whose gradients are known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from t2igan.errors import TrainingError
from t2igan.losses.base import Outcome, Phase, PhaseModule, Scores, StepInputs
from t2igan.recipe.schema import AdamConfig, TrainConfig
from t2igan.text.config import HashingConfig
from t2igan.text.hashing import Hashing
from t2igan.train.loop import train
from t2igan.train.optim import build_adam
from t2igan.train.state import TrainState
from t2igan.types import Batch

CPU = torch.device("cpu")
BATCH = 4


class FragileLoss:
    """Mean of the images times the network's weight; not finite in the steps of `bad`."""

    num_uniforms = 0
    contrasts = False

    def __init__(self, network: nn.Linear, bad: set[int]) -> None:
        self.network = network
        self.bad = bad
        self.step = 0
        self.scores = Scores()
        self.phases = [Phase("only", "E", self.only, draw="E")]

    def before_step(self, nimg: int) -> None:
        self.step = nimg // BATCH

    def after_step(self, z: Tensor, inputs: StepInputs) -> None:
        """Nothing moves."""

    def only(self, inputs: StepInputs) -> Outcome:
        values = self.network(inputs.real.mean([1, 2, 3])[:, None])[:, 0]
        return Outcome(values * math.inf if self.step in self.bad else values)


def state_of(
    bad: set[int], *, steps: int, max_bad_steps: int = 3, batch_gpu: int | None = None
) -> TrainState:
    network = nn.Linear(1, 1)
    loss = FragileLoss(network, bad)
    params = dict(network.named_parameters())
    adam = AdamConfig(learning_rate=0.1)
    return TrainState(
        config=TrainConfig(batch=BATCH, batch_gpu=batch_gpu, max_bad_steps=max_bad_steps),
        networks={"E": network},
        params={"E": params},
        loss=loss,
        phases=[(phase, PhaseModule(phase, network)) for phase in loss.phases],
        optimizers={"E": build_adam(params, adam)},
        rates={"E": adam},
        conditioner=Hashing(HashingConfig(), {}),
        ema={},
        device=CPU,
        dtype=torch.float32,
        z_dim=2,
        resolution=8,
        stop_nimg=steps * BATCH,
    )


def weight_of(state: TrainState) -> float:
    return state.params["E"]["weight"].item()


def run(state: TrainState) -> list[tuple[int, int, float]]:
    """(images seen, bad steps in a row, weight) after each step."""
    batch = Batch(torch.full((BATCH, 3, 8, 8), 255, dtype=torch.uint8), ("white",) * BATCH)
    seen = []
    train(state, itertools.repeat(batch), lambda s: seen.append((s.nimg, s.bad_steps, weight_of(s))))
    return seen


def test_every_step_moves_the_weight_by_the_rate_and_the_counter_by_the_batch():
    state = state_of(set(), steps=3)
    start = weight_of(state)
    seen = run(state)
    assert [nimg for nimg, _, _ in seen] == [4, 8, 12]
    # The gradient is 1 at every step, so Adam steps by exactly the rate.
    assert [weight for _, _, weight in seen] == pytest.approx(
        [start - 0.1, start - 0.2, start - 0.3], abs=1e-6
    )


def test_micro_batches_add_up_to_the_batch_also_where_the_last_is_smaller():
    weights = []
    for batch_gpu in (None, 2, 3):
        state = state_of(set(), steps=2, batch_gpu=batch_gpu)
        nn.init.zeros_(state.params["E"]["weight"])
        weights.append(run(state)[-1][2])
    assert weights == pytest.approx([weights[0]] * 3, abs=1e-6)


def test_a_step_with_a_gradient_that_is_not_finite_is_skipped_and_counted():
    seen = run(state := state_of({1, 3}, steps=5))
    weights = [weight for _, _, weight in seen]
    assert weights[1] == weights[0]
    assert weights[2] != weights[1]
    assert [bad for _, bad, _ in seen] == [0, 1, 0, 1, 0]
    assert state.bad_total == 2
    assert all(math.isfinite(weight) for weight in weights)


def test_training_stops_after_the_bad_steps_in_a_row_that_are_allowed():
    state = state_of({1, 3, 4, 5, 6}, steps=10, max_bad_steps=3)
    with pytest.raises(
        TrainingError, match=r"step 6: gradients were not finite for 3 steps in a row"
    ) as caught:
        run(state)
    assert caught.value.exit_code == 5
    assert state.bad_total == 4


def test_the_step_is_seeded_by_its_number_whatever_was_drawn_before():
    draws = []
    for spoilt in (0, 1):
        torch.manual_seed(spoilt)
        state = state_of(set(), steps=2)
        torch.manual_seed(spoilt)
        batch = Batch(torch.zeros(BATCH, 3, 8, 8, dtype=torch.uint8), ("black",) * BATCH)
        found: list[float] = []
        train(state, itertools.repeat(batch), lambda _, found=found: found.append(float(torch.rand(()))))
        draws.append(found)
    assert draws[0] == draws[1]
    assert draws[0][0] != draws[0][1]
