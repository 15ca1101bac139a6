"""Where a run's numbers go beside stats.jsonl: TensorBoard, wandb. Optional packages, imported when a run asks for one."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from t2igan.errors import T2IGanError

WANDB_MODE = "WANDB_MODE"


class Tracker(Protocol):
    """Takes named numbers as a run goes on. Rank 0 only."""

    def log(self, nimg: int, values: Mapping[str, float]) -> None:
        """Note numbers that hold after `nimg` images."""
        ...

    def close(self) -> None:
        """Bring everything to the disk."""
        ...


class TensorBoard:
    """Event files in RUN/tensorboard, for `tensorboard --logdir RUN`; its steps are images."""

    def __init__(self, run_dir: Path, *, nimg: int) -> None:
        """Open the folder; what an abandoned course wrote beyond `nimg` images is hidden.

        Raises:
            T2IGanError: if tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter  # an optional package
        except ImportError as error:
            raise _missing("tensorboard") from error
        self._writer = SummaryWriter(run_dir / "tensorboard", purge_step=nimg + 1 if nimg else None)

    def log(self, nimg: int, values: Mapping[str, float]) -> None:
        """Add one scalar a name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, nimg)
        self._writer.flush()  # whoever watches wants them now, and a kill loses nothing

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class Wandb:
    """Weights & Biases; offline in RUN/wandb unless WANDB_MODE says otherwise, then `wandb sync` sends it."""

    def __init__(self, run_dir: Path, *, nimg: int) -> None:
        """Start a wandb run, or go on with this folder's.

        Raises:
            T2IGanError: if wandb is not installed, or refuses to start.
        """
        try:
            wandb: Any = importlib.import_module("wandb")  # an optional package
        except ImportError as error:
            raise _missing("wandb") from error
        folder, mode = run_dir / "wandb", os.environ.get(WANDB_MODE, "offline")
        folder.mkdir(
            parents=True, exist_ok=True
        )  # wandb goes to a temporary folder where this one is missing
        try:
            self._run = wandb.init(
                project="t2igan",
                name=run_dir.resolve().name,
                id=_run_id(folder / "t2igan_run_id", is_new=nimg == 0),
                resume="allow",
                dir=run_dir,
                mode=mode,
                settings=wandb.Settings(quiet=True, console="off"),  # log.txt has the lines already
            )
        except wandb.Error as error:
            raise T2IGanError(
                f"wandb refuses to start with {WANDB_MODE}={mode} ({error}). Run `wandb login`, or unset {WANDB_MODE}."
            ) from error

    def log(self, nimg: int, values: Mapping[str, float]) -> None:
        """Add one line of numbers."""
        self._run.log({"nimg": nimg, **values}, step=nimg)

    def close(self) -> None:
        """Finish writing."""
        self._run.finish()


_KINDS = {"tensorboard": TensorBoard, "wandb": Wandb}


def open_trackers(names: Sequence[str], run_dir: Path, *, nimg: int) -> list[Tracker]:
    """Open the trackers of `train.loggers`.

    Args:
        names: of `tensorboard`, `wandb`.
        run_dir: the run's folder.
        nimg: images seen so far; 0 = a new run.

    Raises:
        T2IGanError: naming the extra to install.
    """
    return [_KINDS[name](run_dir, nimg=nimg) for name in dict.fromkeys(names)]


def _missing(name: str) -> T2IGanError:
    return T2IGanError(
        f"train.loggers names {name}, which is not installed. Run `pip install 't2igan[{name}]'`, "
        f"or take it out of train.loggers."
    )


def _run_id(path: Path, *, is_new: bool) -> str:
    """A run keeps its id over stages and resumes; a new one in the same folder gets its own."""
    if is_new or not path.is_file():
        path.write_text(os.urandom(6).hex(), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
