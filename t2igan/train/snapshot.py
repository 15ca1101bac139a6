"""What a run leaves on disk as it goes: sample grids, models to share, states to resume from. Called after every step.

Every rank keeps the same schedule, so that they can wait for each other; rank 0 alone writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from t2igan import dist, images, sharding
from t2igan.errors import T2IGanError
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.agreement import any_rank, together
from t2igan.train.drawing import COLUMNS, Sheet, draw_sheet
from t2igan.train.log import TickLog
from t2igan.train.saving import numbered, numbered_files, save_encoder, save_generator, save_state
from t2igan.train.schedule import Every, superfluous
from t2igan.train.signals import RestartWantedError, RunStoppedError, StoppedUnsavedError, StopWish
from t2igan.train.state import TrainState
from t2igan.types import Batch

STATE, SNAPSHOT, PICTURE = "checkpoint", "snapshot", "sample grid"


class Snapshots:
    """Draws `fakes_*.png` every sample_kimg and saves every state_kimg; what failed is tried again at every tick."""

    def __init__(self, run_dir: Path, recipe: GanRecipe | EncoderRecipe, log: TickLog) -> None:
        self._dir = run_dir
        self._recipe = recipe
        self._log = log
        self._captions: tuple[str, ...] = ()
        self._shown: Tensor | None = None
        self._owed: dict[str, int] = {}  # what has not reached the disk yet -> how many attempts have failed

    def begin(self, state: TrainState, first: Batch) -> None:
        """Draw the real images and the untrained generator's, with the captions that all grids will show.

        Args:
            state: of the stage that begins.
            first: the first batch of the data, whichever the run goes on with.
        """
        config = state.config
        self._pictures, self._states = (
            Every(config.sample_kimg, state.nimg),
            Every(config.state_kimg, state.nimg),
        )
        self._milestones, self._ticks = (
            Every(config.milestone_kimg, state.nimg),
            Every(config.tick_kimg, state.nimg),
        )
        if config.on_bad_steps == "rollback":
            self.save(state)  # something to go back to, from the first step of a stage on
        if not isinstance(self._recipe, GanRecipe):
            return
        samples = self._recipe.samples
        wanted = samples.prompts or first.captions
        self._captions = tuple(wanted[i % len(wanted)] for i in range(samples.num_images))
        self._shown = first.images[: samples.num_images]
        if state.step == 0:
            if dist.rank() == 0:
                n = min(samples.num_images, len(first))
                reals = Sheet(first.images[:n], first.captions[:n], COLUMNS)
                self._grid(self._dir / "samples" / "reals.png", reals)
            self._fakes(state, "fakes_init")

    def after_step(self, state: TrainState) -> None:
        """Draw and save where an interval has passed, at milestones, and at the stage's end."""
        ended = state.nimg >= state.stop_nimg
        retried = set(self._owed) if self._ticks.passed(state.nimg) else set()
        is_milestone = self._milestones.passed(state.nimg)
        is_pictured = self._pictures.passed(state.nimg) or ended
        is_saved = self._states.passed(state.nimg) or ended or is_milestone
        if is_pictured or is_milestone or SNAPSHOT in retried:
            self._publish(state)
        if is_pictured or PICTURE in retried:
            self._draw(state)
        if is_saved or STATE in retried:
            self._save_unless_bad(state, ended=ended)

    def _save_unless_bad(self, state: TrainState, *, ended: bool) -> None:
        """Save, but not amid non-finite steps: those weights may be beyond repair, and would push a good state out."""
        if state.bad_steps and not ended:
            self._owed.setdefault(STATE, 0)
        else:
            self.save(state)

    def save(self, state: TrainState) -> bool:
        """Write a state to resume from, and remove the oldest; a full disk is said, and training goes on.

        Returns:
            Whether the state has reached the disk.
        """
        path = numbered(self._dir / "state", state.nimg)
        if not self._tried(lambda: save_state(state, self._recipe, path), STATE, state):
            return False
        self._prune(path.parent, state, keep=state.config.keep_states)
        return True

    def stop(self, state: TrainState, wish: StopWish) -> None:
        """Save, and leave; all ranks together, as torchrun gives the others 30 seconds once the first has left.

        Raises:
            RunStoppedError: always.
        """
        is_saved = self.save(state)
        where = f"stopped at {state.nimg / 1000:.1f} kimg"
        if is_saved:
            kind = RestartWantedError if wish.is_restart else RunStoppedError
            raise kind(f"{where} and saved; the same command goes on from there.")
        kind = RestartWantedError if wish.is_restart else StoppedUnsavedError
        raise kind(f"{where}, but not saved; the same command goes on from the checkpoint before.")

    def finish(self, state: TrainState) -> None:
        """Make sure that the run's last snapshot is on the disk.

        Raises:
            T2IGanError: if it cannot be written.
        """
        path = numbered(self._dir / "snapshots", state.nimg)
        is_missing = any_rank(dist.rank() == 0 and not path.is_file(), state.device)
        if SNAPSHOT not in self._owed and not is_missing:
            return
        with together(state.device):
            try:
                self._save_snapshot(state, path)
            except OSError as error:
                raise T2IGanError(
                    f"{path}: the finished network could not be written ({error}). Free some space and run the same "
                    f"command."
                ) from error

    def _publish(self, state: TrainState) -> None:
        path = numbered(self._dir / "snapshots", state.nimg)
        if self._tried(lambda: self._save_snapshot(state, path), SNAPSHOT, state):
            self._prune(path.parent, state, keep=state.config.keep_snapshots)

    def _save_snapshot(self, state: TrainState, path: Path) -> None:
        if isinstance(self._recipe, EncoderRecipe):
            save_encoder(state, self._recipe, path)
        else:
            save_generator(state, self._recipe, path)

    def _draw(self, state: TrainState) -> None:
        if isinstance(self._recipe, GanRecipe):
            self._tried(lambda: self._fakes(state, f"fakes_{state.nimg / 1000:08.1f}"), PICTURE, state)

    def _prune(self, folder: Path, state: TrainState, *, keep: int | None) -> None:
        """Remove what need not stay; other names than a run's, such as best.safetensors, are left alone."""
        if dist.rank():
            return
        files = numbered_files(folder)
        for old in superfluous(files, keep=keep, milestone_kimg=state.config.milestone_kimg):
            old.unlink(missing_ok=True)

    def _tried(self, write: Callable[[], None], what: str, state: TrainState) -> bool:
        """Write on all ranks; say the first failure, and the success after it."""
        problem = None
        try:
            write()
        except (OSError, T2IGanError) as error:
            problem = error
        failures = self._owed.pop(what, 0)
        if any_rank(problem is not None, state.device):
            self._owed[what] = failures + 1
            if not failures:
                self._log.say(
                    f"warning: the {what} was not written ({problem}). Training goes on, and tries again at every tick; "
                    f"free some space, or mend the folder."
                )
            return False
        if failures:
            self._log.say(f"the {what} is written again, after {failures} failed attempts")
        return True

    def _fakes(self, state: TrainState, name: str) -> None:
        network = state.ema["G"].network
        if dist.rank() and not sharding.is_split(network):
            return
        samples = self._recipe.samples  # pyright: ignore[reportAttributeAccessIssue]
        assert self._shown is not None
        sheet = draw_sheet(state, self._captions, self._shown, psi=samples.psi)
        if dist.rank() == 0:
            self._grid(self._dir / "samples" / f"{name}.png", sheet)

    def _grid(self, path: Path, sheet: Sheet) -> None:
        scale = max(1, 128 // sheet.tiles.shape[-1])
        picture = images.grid(sheet.tiles, columns=sheet.columns, captions=sheet.captions, scale=scale)
        images.save_png(path, picture, {})
