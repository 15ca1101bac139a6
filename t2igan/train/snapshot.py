"""What a run leaves on disk as it goes: sample grids, models to share, states to resume from. Called after every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from t2igan import dist, images, rng
from t2igan.errors import T2IGanError
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.log import TickLog
from t2igan.train.saving import numbered, numbered_files, save_encoder, save_generator, save_state
from t2igan.train.signals import RestartWantedError, RunStoppedError, StopWish
from t2igan.train.state import TrainState
from t2igan.types import Batch


class Snapshots:
    """Draws `fakes_*.png` every sample_kimg and saves every state_kimg, keeping the last few states."""

    def __init__(self, run_dir: Path, recipe: GanRecipe | EncoderRecipe, log: TickLog) -> None:
        self._dir = run_dir
        self._recipe = recipe
        self._log = log
        self._pictured = self._saved = -1  # how many times the interval has passed
        self._captions: tuple[str, ...] = ()
        self._is_published = True  # whether the last snapshot has reached the disk

    def begin(self, state: TrainState, first: Batch) -> None:
        """Draw the real images and the untrained generator's, with the captions that all grids will show.

        Args:
            state: of the stage that begins.
            first: the first batch of the data, whichever the run goes on with.
        """
        self._pictured = self._count(state, state.config.sample_kimg)
        self._saved = self._count(state, state.config.state_kimg)
        if state.config.on_bad_steps == "rollback" and dist.rank() == 0:
            self.save(state)  # something to go back to, from the first step of a stage on
        if dist.rank() or not isinstance(self._recipe, GanRecipe):
            return
        samples = self._recipe.samples
        wanted = samples.prompts or first.captions
        self._captions = tuple(wanted[i % len(wanted)] for i in range(samples.num_images))
        if state.step == 0:
            n = min(samples.num_images, len(first))
            self._grid(self._dir / "samples" / "reals.png", first.images[:n], first.captions[:n])
            self._fakes(state, "fakes_init")

    def after_step(self, state: TrainState) -> None:
        """Draw and save where an interval has passed, and at the stage's end."""
        if dist.rank():
            return
        ended = state.nimg >= state.stop_nimg
        pictured = self._count(state, state.config.sample_kimg)
        if pictured > self._pictured or ended:
            self._pictured = pictured
            self._publish(state)
        saved = self._count(state, state.config.state_kimg)
        if saved > self._saved or ended:
            self._saved = saved
            self.save(state)

    def save(self, state: TrainState) -> bool:
        """Write a state to resume from, and remove the oldest; a full disk is said, and training goes on.

        Returns:
            Whether the state has reached the disk.
        """
        folder = self._dir / "state"
        path = numbered(folder, state.nimg)
        if not self._tried(lambda: save_state(state, self._recipe, path), "checkpoint"):
            return False
        for old in numbered_files(folder)[: -state.config.keep_states]:
            old.unlink(missing_ok=True)
        return True

    def stop(self, state: TrainState, wish: StopWish) -> None:
        """Save, and leave.

        Raises:
            RunStoppedError: always.
        """
        is_saved = dist.rank() != 0 or self.save(state)
        kind = RestartWantedError if wish.is_restart else RunStoppedError
        where = f"stopped at {state.nimg / 1000:.1f} kimg"
        if is_saved:
            raise kind(f"{where} and saved; the same command goes on from there.")
        raise kind(f"{where}, but not saved; the same command goes on from the checkpoint before.")

    def finish(self, state: TrainState) -> None:
        """Make sure that the run's last snapshot is on the disk.

        Raises:
            T2IGanError: if it cannot be written.
        """
        path = numbered(self._dir / "snapshots", state.nimg)
        if dist.rank() or (self._is_published and path.is_file()):
            return
        try:
            self._save_snapshot(state, path)
        except OSError as error:
            raise T2IGanError(
                f"{path}: the finished network could not be written ({error}). Free some space and run the same command."
            ) from error

    def _publish(self, state: TrainState) -> None:
        path = numbered(self._dir / "snapshots", state.nimg)
        self._is_published = self._tried(lambda: self._save_snapshot(state, path), "snapshot")
        if isinstance(self._recipe, GanRecipe):
            self._tried(lambda: self._fakes(state, f"fakes_{state.nimg / 1000:08.1f}"), "sample grid")

    def _save_snapshot(self, state: TrainState, path: Path) -> None:
        if isinstance(self._recipe, EncoderRecipe):
            save_encoder(state, self._recipe, path)
        else:
            save_generator(state, self._recipe, path)

    def _tried(self, write: Callable[[], None], what: str) -> bool:
        try:
            write()
        except (OSError, T2IGanError) as error:
            self._log.say(
                f"warning: the {what} was not written ({error}). Training goes on; free some space, or mend the folder."
            )
            return False
        return True

    @torch.no_grad()
    def _fakes(self, state: TrainState, name: str) -> None:
        samples = self._recipe.samples  # pyright: ignore[reportAttributeAccessIssue]
        c = state.sampling_condition(self._captions)
        z = rng.latents(range(len(self._captions)), state.z_dim).to(state.device)
        with state.autocast():
            fakes = state.ema["G"].network(z, c, psi=samples.psi)
        self._grid(self._dir / "samples" / f"{name}.png", images.to_uint8(fakes).cpu(), self._captions)

    def _grid(self, path: Path, tiles: Tensor, captions: tuple[str, ...]) -> None:
        scale = max(1, 128 // tiles.shape[-1])
        images.save_png(path, images.grid(tiles, columns=8, captions=captions, scale=scale), {})

    @staticmethod
    def _count(state: TrainState, interval_kimg: float) -> int:
        return int(state.nimg / (interval_kimg * 1000))
