"""The generator that a metric likes best: snapshots/best.safetensors, whose header knows its value. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2igan import checkpoint
from t2igan.errors import CheckpointError
from t2igan.metrics.config import MetricsConfig
from t2igan.metrics.names import is_better
from t2igan.recipe.schema import GanRecipe
from t2igan.train.saving import save_generator
from t2igan.train.state import TrainState


class Best:
    """The best value so far is what the file says, so it survives a resume, and a lost file starts anew."""

    def __init__(
        self, path: Path, recipe: GanRecipe, config: MetricsConfig, measured: Mapping[str, Any], *, nimg: int
    ) -> None:
        """Read what an earlier start has left.

        Args:
            path: the file.
            recipe: goes into the file.
            config: names the metric; None = no generator is ever the best.
            measured: what numbers must have in common to be compared.
            nimg: images seen so far; a file from beyond is of a course that was given up.
        """
        self._path, self._recipe, self._config = path, recipe, config
        self._mark = {"metric": config.best, "psi": config.psi[0], "measured": dict(measured)}
        self._value = self._read(nimg)

    def is_beaten(self, found: Mapping[str, float]) -> bool:
        """Whether metrics are better than the best so far."""
        name = self._config.best
        return name is not None and is_better(self._config, found[name], self._value)

    def save(self, state: TrainState, found: Mapping[str, float]) -> None:
        """Write the generator as the best; on all ranks, of which rank 0 alone writes and needs `found`.

        Raises:
            OSError: if it cannot be written; then the old file stays, and its value.
        """
        assert self._config.best is not None
        value = found.get(self._config.best)
        save_generator(state, self._recipe, self._path, best={**self._mark, "value": value})
        self._value = value

    def _read(self, nimg: int) -> float | None:
        try:
            progress = checkpoint.read_header(self._path).progress
        except CheckpointError:
            return None
        mark = progress.get("best", {})
        is_comparable = all(mark.get(key) == value for key, value in self._mark.items())
        return mark["value"] if is_comparable and progress["nimg"] <= nimg else None
