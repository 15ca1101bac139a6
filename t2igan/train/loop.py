"""THE training loop: every network of every recipe is trained here, on a CPU, one GPU, or under torchrun.

It knows no architecture and no loss. What happens after a step (progress, pictures, checkpoints) is the hooks'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from torch import Tensor, nn

from t2igan import dist, images, rng
from t2igan.errors import TrainingError
from t2igan.losses.base import StepInputs
from t2igan.train.state import TrainState
from t2igan.types import Batch


def train(state: TrainState, batches: Iterator[Batch], after_step: Callable[[TrainState], None]) -> None:
    """Train until the stage's last image.

    Args:
        state: networks, optimisers and counters; changed in place.
        batches: this rank's endless batches, standing where the run stands.
        after_step: called after every step, with the counters already moved on.

    Raises:
        TrainingError: after `max_bad_steps` steps in a row with non-finite gradients, or one if so configured.
    """
    config = state.config
    while state.nimg < state.stop_nimg:
        rng.seed_step(config.seed, dist.rank(), state.step)  # a resumed run repeats the same noise
        batch = next(batches).to(state.device)
        real, c = images.to_float(batch.images), state.condition_of(batch)
        bad_before = state.bad_total
        state.loss.before_step(state.nimg)
        inputs: StepInputs | None = None
        kept: dict[int, tuple[Tensor, ...]] = {}  # micro-batch -> what a phase hands to the next one
        for phase, module in state.due():
            inputs = state.inputs(phase, batch, real, c)
            pieces = inputs.split(config.batch_gpu or len(batch))
            with state.training(phase.trains):
                for number, piece in enumerate(pieces, start=1):
                    with _sync(module, number == len(pieces)):
                        with state.autocast():
                            outcome = module(replace(piece, kept=kept.pop(number, ())))
                        (outcome.loss.sum() / len(batch) * state.loss_scale).backward()
                    state.loss.scores.add(outcome.scores)
                    kept[number] = outcome.kept
            if phase.steps:
                state.apply_gradients(phase.trains)  # DDP has averaged the gradients inside the last backward
        assert inputs is not None
        state.loss.after_step(state.all_latents(len(batch)), inputs)
        state.advance(len(batch) * dist.world())
        _count_bad_steps(state, bad_before)
        after_step(state)


def _sync(module: nn.Module, is_last: bool) -> AbstractContextManager[None]:
    """Ranks exchange gradients in the last micro-batch only."""
    if is_last or not isinstance(module, nn.parallel.DistributedDataParallel):
        return nullcontext()
    return module.no_sync()


def _count_bad_steps(state: TrainState, bad_before: int) -> None:
    state.bad_steps = state.bad_steps + 1 if state.bad_total > bad_before else 0
    policy = state.config.on_bad_steps
    limit = 1 if policy == "stop" else state.config.max_bad_steps
    if state.bad_steps >= limit and policy != "rollback":  # that one is after_step's, as it reads files
        raise TrainingError(
            f"step {state.step}: gradients were not finite for {state.bad_steps} steps in a row, and those steps were "
            f"skipped. Lower the learning rates, or train with --set train.precision=fp32; the last checkpoint is whole."
        )
