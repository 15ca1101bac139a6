"""Going back to a checkpoint's weights when gradients stay non-finite: the data and the noise go on, so they are new."""

from __future__ import annotations

from pathlib import Path

from t2igan import checkpoint, dist
from t2igan.errors import CheckpointError, TrainingError
from t2igan.train.agreement import from_rank0, together
from t2igan.train.saving import load_weights, numbered_files
from t2igan.train.state import TrainState

MAX_ROLLBACKS = 5  # of one run: beyond that, something is wrong that new data does not mend
ADVICE = "Lower the learning rates, or train with --set train.precision=fp32; the last checkpoint is whole."


class Rollback:
    """Goes back to the newest state; where that did not help, to the one before it."""

    def __init__(self, run_dir: Path) -> None:
        self._folder = run_dir / "state"
        self._tried: set[Path] = set()

    def __call__(self, state: TrainState) -> str:
        """Put networks, averages and moments of a state of this stage back; counters stay. On all ranks alike.

        Returns:
            What to say about it.

        Raises:
            TrainingError: if there is nothing to go back to, or this has happened too often.
        """
        if state.rollbacks >= MAX_ROLLBACKS:
            raise TrainingError(
                f"step {state.step}: gradients are not finite after {MAX_ROLLBACKS} rollbacks. {ADVICE}"
            )
        name = ""
        with together(state.device):
            if dist.rank() == 0:
                name = self._choose(state).name
        path = self._folder / from_rank0(name, state.device)
        with together(state.device):
            load_weights(state, path)
        self._tried.add(path)
        state.rollbacks += 1
        bad, state.bad_steps = state.bad_steps, 0
        return (
            f"warning: gradients were not finite for {bad} steps in a row; weights are those of {path} again "
            f"(rollback {state.rollbacks} of {MAX_ROLLBACKS}), data and noise go on."
        )

    def _choose(self, state: TrainState) -> Path:
        """The newest whole state of this stage that has not been gone back to; else the oldest there is."""
        whole = [path for path in numbered_files(self._folder)[::-1] if _is_whole(path, state.stage)]
        if not whole:
            raise TrainingError(
                f"step {state.step}: gradients are not finite, and there is no checkpoint of stage {state.stage + 1} to "
                f"go back to. {ADVICE}"
            )
        return next((path for path in whole if path not in self._tried), whole[-1])


def _is_whole(path: Path, stage: int) -> bool:
    """Whether a state is of this stage, and undamaged: an earlier stage's may fit by its shapes, but is another start."""
    try:
        if checkpoint.read_header(path).progress.get("stage") != stage:
            return False
        checkpoint.verify(path)
    except CheckpointError:
        return False
    return True
