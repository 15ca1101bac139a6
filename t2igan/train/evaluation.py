"""Metrics of a run as it goes: when to measure, where the numbers go, and which generator is kept as the best.

Called after every step on all ranks, as each draws its share. What is measured is measures.py's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from t2igan import dist, images
from t2igan.errors import T2IGanError
from t2igan.metrics.config import MetricsConfig
from t2igan.metrics.names import metric_names
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.agreement import any_rank, together
from t2igan.train.best import Best
from t2igan.train.log import TickLog
from t2igan.train.measures import Measures, draw, measure
from t2igan.train.real_side import RealSide, Source, real_side
from t2igan.train.state import TrainState

METRICS = "metrics.jsonl"
BEST = "snapshots/best.safetensors"
GRID_ROWS = 8


class Evaluation:
    """Measures every `every_kimg` thousand images and at a stage's end, and keeps the best generator."""

    def __init__(self, run_dir: Path, recipe: GanRecipe, config: MetricsConfig) -> None:
        """Load the networks that measure.

        Raises:
            WeightsError: if one of them is not on this machine.
            CheckpointError: if a checkpoint of one cannot be read.
        """
        self._dir = run_dir
        self._recipe = recipe
        self._config = config
        self._measures = Measures(config)

    def begin(self, state: TrainState, log: TickLog) -> None:
        """Read the real side of a stage; measure at once what a stopped run has left to do.

        Args:
            state: of the stage that begins, standing where the run stands.
            log: of the stage.

        Raises:
            DataError: if the data is missing or broken.
        """
        self._log = log
        with self._measures.at_work(state.device):
            self._real = self._read(state)
        self._facts = self._identity(state)
        self._best = Best(self._dir / BEST, self._recipe, self._config, self._facts, nimg=state.nimg)
        self._say_what(state)
        if state.nimg > state.start_nimg and self._is_due(state) and not self._is_measured(state):
            self._evaluate(state)

    def after_step(self, state: TrainState) -> None:
        """Measure where the interval has passed, and at the stage's end."""
        if self._is_due(state):
            self._evaluate(state)

    def _is_due(self, state: TrainState) -> bool:
        """Whether the step that ended here is the first one of an interval, or the stage's last."""
        every = self._config.every_kimg * 1000
        before = max(state.nimg - state.config.batch, state.start_nimg)
        return int(state.nimg / every) > int(before / every) or state.nimg >= state.stop_nimg

    def _read(self, state: TrainState) -> RealSide:
        share = state.config.batch // dist.world()
        train = self._recipe.train
        source = Source(self._recipe.data, state.resolution, train.seed, train.workers)
        path = self._dir / "metrics" / f"reference_{state.resolution}.safetensors"
        most = min(state.config.batch_gpu or share, share)
        return real_side(source, self._measures, path, most=most, device=state.device, log=self._log)

    def _identity(self, state: TrainState) -> dict[str, Any]:
        """What numbers must have in common to be compared, but for psi."""
        extractor, scorer, reference = self._measures.extractor, self._measures.scorer, self._real.reference
        return {
            "resolution": state.resolution,
            "num_images": self._config.num_images,
            "features": f"{extractor.name}, {extractor.protocol}",
            "clip": scorer.name if scorer else None,
            "reference": reference.data if reference else None,
        }

    def _say_what(self, state: TrainState) -> None:
        reference, least = self._real.reference, self._config.num_images
        if reference is None:
            return
        names, dim = ", ".join(metric_names(self._config)), self._measures.extractor.dim
        self._log.say(
            f"metrics every {self._config.every_kimg:g} kimg: {names}; {least:,} images of {state.resolution} px against "
            f"{reference.count:,} training images"
        )
        if min(least, reference.count) < dim:
            self._log.say(
                f"metrics: fewer images than the {dim:,} features of an image, so the distance is mostly bias; compare "
                f"it only at equal numbers, or raise metrics.num_images and reference_images."
            )

    def _evaluate(self, state: TrainState) -> None:
        with self._measures.at_work(state.device):
            for number, psi in enumerate(self._config.psi):
                start = time.perf_counter()
                found = measure(
                    state,
                    self._measures,
                    self._real.share,
                    self._real.asked,
                    reference=self._real.reference,
                    psi=psi,
                )
                is_better = number == 0 and bool(found) and self._best.is_beaten(found)
                # All ranks, as the generator may be spread over them.
                is_best = any_rank(is_better, state.device) and self._keep(state, found)
                if dist.rank() == 0:
                    self._write(state, psi, found, seconds=time.perf_counter() - start, is_best=is_best)
        self._grid(state)

    def _write(
        self, state: TrainState, psi: float, found: dict[str, float], *, seconds: float, is_best: bool
    ) -> None:
        kimg = state.nimg / 1000
        place = {"kimg": round(kimg, 3), "step": state.step, "psi": psi}
        self._log.append(METRICS, json.dumps({**place, **self._facts, **found, "seconds": round(seconds, 1)}))
        suffix = "" if psi == 1 else f"_psi{psi:g}"
        self._log.track(state.nimg, {f"metrics/{name}{suffix}": value for name, value in found.items()})
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
        best = f"  best so far by {self._config.best}, kept as {BEST}" if is_best else ""
        self._log.say(f"metrics at {kimg:.1f} kimg, psi {psi:g}:  {numbers}  {seconds:.1f} s{best}")

    def _keep(self, state: TrainState, found: dict[str, float]) -> bool:
        return self._tried(lambda: self._best.save(state, found), "best snapshot")

    def _is_measured(self, state: TrainState) -> bool:
        """Whether the metrics of this step have been written, as rank 0 sees it."""
        is_there, path = False, self._dir / METRICS
        if dist.rank() == 0 and path.is_file():
            rows = [_row(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
            here = {"step": state.step, "resolution": state.resolution}
            psis = {r.get("psi") for r in rows if all(r.get(k) == v for k, v in here.items())}
            is_there = psis >= set(self._config.psi)
        return any_rank(is_there, state.device)

    def _grid(self, state: TrainState) -> None:
        """Rows are prompts, columns psi; every rank draws, as networks may be spread over ranks, and rank 0 writes."""
        psis = self._config.psi_grid
        if not psis:
            return
        captions = [caption for asked in self._real.asked for caption in asked.captions]
        prompts = (self._recipe.samples.prompts or captions)[:GRID_ROWS]
        rows = range(len(prompts))
        columns = [draw(state, prompts, rows, psi=psi).cpu() for psi in psis]
        tiles = torch.stack(columns, dim=1).flatten(0, 1)
        labels = [
            f"psi {psi:g}" + (f": {text}" if psi == psis[0] else "") for text in prompts for psi in psis
        ]
        if dist.rank() == 0:
            scale = max(1, 128 // tiles.shape[-1])
            sheet = images.grid(tiles, columns=len(psis), captions=labels, scale=scale)
            path = self._dir / "samples" / f"psi_{state.nimg / 1000:08.1f}.png"
            story = {"prompts": list(prompts), "psi": list(psis), "seeds": list(rows)}
            self._tried(lambda: images.save_png(path, sheet, story), "psi grid")

    def _tried(self, write: Callable[[], None], what: str) -> bool:
        """Write, or say why not: a full disk must not end the run."""
        try:
            write()
        except (OSError, T2IGanError) as error:
            self._log.say(
                f"warning: the {what} was not written ({error}). Training goes on; free some space."
            )
            return False
        return True


class NoEvaluation:
    """Of a recipe that asks for no metrics."""

    def begin(self, state: TrainState, log: TickLog) -> None:
        """Nothing to read."""

    def after_step(self, state: TrainState) -> None:
        """Nothing to measure."""


def build_evaluation(
    recipe: GanRecipe | EncoderRecipe, run_dir: Path, device: torch.device
) -> Evaluation | NoEvaluation:
    """What a recipe asks to be measured.

    Args:
        recipe: of the run.
        run_dir: its folder.
        device: where ranks communicate.

    Raises:
        WeightsError: if a network that measures is not on this machine.
        CheckpointError: if a checkpoint of one cannot be read.
    """
    if not isinstance(recipe, GanRecipe) or recipe.metrics is None:
        return NoEvaluation()
    with together(device):
        return Evaluation(run_dir, recipe, recipe.metrics)


def _row(line: str) -> dict[str, Any]:
    """A line of numbers; one that a killed process left half-written is empty."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
