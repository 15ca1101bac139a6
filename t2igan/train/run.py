"""A whole run: its folder, its stages, resuming, and stopping politely. One step is loop.py's business."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import torch

from t2igan import dist
from t2igan.data.loader import build_loader
from t2igan.encode import to_yaml
from t2igan.errors import T2IGanError
from t2igan.files import write_atomic
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.log import TickLog
from t2igan.train.loop import train
from t2igan.train.resume import Resume, find_resume
from t2igan.train.saving import load_state, numbered_files
from t2igan.train.setup import setup_encoder, setup_gan, setup_machine
from t2igan.train.signals import StopWish, stop_wish
from t2igan.train.snapshot import Snapshots
from t2igan.train.stages import carry_state
from t2igan.train.state import TrainState
from t2igan.types import Batch

AnyRecipe = GanRecipe | EncoderRecipe


class RunStoppedError(T2IGanError):
    """The user stopped the run."""

    exit_code = 130


def run(recipe: AnyRecipe, run_dir: Path, *, resume: str = "auto") -> Path:
    """Train a recipe to its end, or on from where its folder stands.

    Args:
        recipe: what to train.
        run_dir: the run's folder; made if it is missing.
        resume: `auto` = go on from the newest whole checkpoint, `never` = refuse a folder that holds a run, or a path.

    Returns:
        The snapshot to share: the averaged generator, or the encoder.

    Raises:
        RunStoppedError: after SIGINT or SIGTERM, once the run is saved.
        T2IGanError: if the folder holds another recipe's run or cannot be written; DataError and TrainingError.
    """
    device = setup_machine(recipe.train)
    try:
        found = find_resume(recipe, run_dir, resume)
        with stop_wish() as wish:
            state = None
            for stage in range(found.stage, _num_stages(recipe)):
                fresh = _setup(recipe, stage, device)
                state = _run_stage(recipe, run_dir, stage, fresh, state, found, wish)
        dist.barrier()  # until rank 0 has written the snapshot
        return numbered_files(run_dir / "snapshots")[-1]
    finally:
        dist.close()


def _setup(recipe: AnyRecipe, stage: int, device: torch.device) -> TrainState:
    return (
        setup_gan(recipe, stage, device) if isinstance(recipe, GanRecipe) else setup_encoder(recipe, device)
    )


def _run_stage(
    recipe: AnyRecipe,
    run_dir: Path,
    stage: int,
    state: TrainState,
    before: TrainState | None,
    found: Resume,
    wish: StopWish,
) -> TrainState:
    carried = carry_state(before, state) if before is not None else None
    state.stage, state.start_nimg = stage, state.nimg
    if before is None and found.path is not None:
        load_state(state, found.path)
    state.stop_nimg = state.start_nimg + round(_stage_kimg(recipe, stage) * 1000)
    batches = _loader(recipe, state, start=state.step)  # before anything is written: the data may be missing
    if dist.rank() == 0:
        write_atomic(run_dir / "recipe.yaml", to_yaml(recipe).encode())
    log = TickLog(run_dir, state)
    for line in [*(found.said if before is None else []), *opening_lines(recipe, state, str(carried or ""))]:
        log.say(line)
    snapshots = Snapshots(run_dir, recipe, log)
    if state.step == 0:
        first = next(batches)
        batches = chain([first], batches)
    else:
        first = next(_loader(recipe, state, start=0))  # the pictures of a run keep their captions
    snapshots.begin(state, first)

    def after_step(state: TrainState) -> None:
        log.after_step(state)
        snapshots.after_step(state)
        if _wanted_by_any(wish, state.device):
            _stop(state, snapshots)

    try:
        train(state, batches, after_step)
        if stage == _num_stages(recipe) - 1:
            snapshots.finish(state)
    finally:
        log.close()
    return state


def _loader(recipe: AnyRecipe, state: TrainState, *, start: int) -> Iterator[Batch]:
    return build_loader(
        recipe.data,
        resolution=state.resolution,
        batch=recipe.train.batch // dist.world(),
        seed=recipe.train.seed,
        rank=dist.rank(),
        world=dist.world(),
        start=start,
        workers=recipe.train.workers if start == state.step else 0,
    )


def _wanted_by_any(wish: StopWish, device: torch.device) -> bool:
    """Whether any rank was asked to stop: all of them must leave after the same step."""
    if dist.world() == 1:
        return wish.wanted
    return bool(dist.all_reduce_sum(torch.tensor(float(wish.wanted), device=device)))


def _stop(state: TrainState, snapshots: Snapshots) -> None:
    is_saved = dist.rank() != 0 or snapshots.save(state)
    where = f"stopped at {state.nimg / 1000:.1f} kimg"
    if is_saved:
        raise RunStoppedError(f"{where} and saved; the same command goes on from there.")
    raise RunStoppedError(f"{where}, but not saved; the same command goes on from the checkpoint before.")


def _num_stages(recipe: AnyRecipe) -> int:
    return len(recipe.stages) if isinstance(recipe, GanRecipe) else 1


def _stage_kimg(recipe: AnyRecipe, stage: int) -> float:
    return recipe.stages[stage].kimg if isinstance(recipe, GanRecipe) else recipe.kimg


def opening_lines(recipe: AnyRecipe, state: TrainState, carried: str) -> list[str]:
    """What a person wants to know before the first step: sizes, precision, and how the batch comes about."""
    counts = {k: sum(p.numel() for p in params.values()) for k, params in state.params.items()}
    sizes = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    share = recipe.train.batch // dist.world()
    piece = min(recipe.train.batch_gpu or share, share)
    lines = [
        f"stage {state.stage + 1}: {state.resolution} px, images {state.nimg:,} to {state.stop_nimg:,}; trained parameters: {sizes}",
        f"batch {recipe.train.batch} = {piece} images x {share // piece} pieces x {dist.world()} ranks; "
        f"{str(state.dtype).removeprefix('torch.')} on {state.device}",
    ]
    return [*lines, f"from the last stage: {carried}"] if carried else lines
