"""Going back to the last checkpoint's weights when gradients stay non-finite: the data and the noise go on, so it is new."""

from __future__ import annotations

from pathlib import Path

from t2igan.errors import CheckpointError, TrainingError
from t2igan.train.saving import load_weights, numbered_files
from t2igan.train.state import TrainState

MAX_ROLLBACKS = 5  # of one run: beyond that, something is wrong that new data does not mend


def roll_back(state: TrainState, run_dir: Path) -> str:
    """Put networks, averages and moments of the newest whole state back; counters stay.

    Returns:
        What to say about it.

    Raises:
        TrainingError: if there is nothing to go back to, or this has happened too often.
    """
    advice = (
        "Lower the learning rates, or train with --set train.precision=fp32; the last checkpoint is whole."
    )
    if state.rollbacks >= MAX_ROLLBACKS:
        raise TrainingError(
            f"step {state.step}: gradients are not finite after {MAX_ROLLBACKS} rollbacks. {advice}"
        )
    for path in numbered_files(run_dir / "state")[::-1]:
        try:
            load_weights(state, path)
        except CheckpointError:
            continue
        state.rollbacks += 1
        bad, state.bad_steps = state.bad_steps, 0
        return (
            f"warning: gradients were not finite for {bad} steps in a row; weights are those of {path} again "
            f"(rollback {state.rollbacks} of {MAX_ROLLBACKS}), data and noise go on."
        )
    raise TrainingError(
        f"step {state.step}: gradients are not finite, and there is no checkpoint to go back to. {advice}"
    )
