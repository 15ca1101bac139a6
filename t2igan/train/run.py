"""A whole run: its folder, its stages, resuming, and stopping politely. One step is loop.py's business."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import torch

from t2igan import dist
from t2igan.data.loader import build_loader
from t2igan.encode import to_yaml
from t2igan.files import write_atomic
from t2igan.recipe.check import check
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.recipe.stages import num_stages, stage_kimg
from t2igan.train.agreement import lost_peers, together
from t2igan.train.embeddings import Embeddings, choose_embeddings
from t2igan.train.evaluation import Evaluation, NoEvaluation, build_evaluation
from t2igan.train.lock import run_lock
from t2igan.train.log import TickLog
from t2igan.train.loop import train
from t2igan.train.machine import setup_machine
from t2igan.train.opening import opening_lines
from t2igan.train.resume import Resume, agree_on_resume, resume_from
from t2igan.train.rollback import Rollback
from t2igan.train.saving import numbered
from t2igan.train.setup import setup_encoder, setup_gan
from t2igan.train.signals import StopWish, stop_wish
from t2igan.train.snapshot import Snapshots
from t2igan.train.stages import Carried, carry_state, start_from
from t2igan.train.state import TrainState
from t2igan.types import Batch

AnyRecipe = GanRecipe | EncoderRecipe


def run(recipe: AnyRecipe, run_dir: Path, *, resume: str = "auto", allow_changed: bool = False) -> Path:
    """Train a recipe to its end, or on from where its folder stands.

    Args:
        recipe: what to train.
        run_dir: the run's folder; made if it is missing.
        resume: `auto` = go on from the newest whole checkpoint, `never` = refuse a folder that holds a run, or a path.
        allow_changed: go on although the recipe differs from the run's in more than what is shown and kept.

    Returns:
        The snapshot to share: the averaged generator, or the encoder.

    Raises:
        RunStoppedError: after SIGINT, SIGTERM or SIGUSR1, once the run is saved.
        T2IGanError: if the folder is in use, holds another recipe's run or cannot be written; DataError and TrainingError.
    """
    device = setup_machine(recipe.train)
    try:
        check(recipe, world=dist.world())
        with lost_peers(), run_lock(run_dir, device), stop_wish() as wish:
            found = agree_on_resume(recipe, run_dir, resume, device, allow_changed=allow_changed)
            evaluation = build_evaluation(recipe, run_dir, device)  # now, as weights may be missing
            state = None
            for stage in range(found.stage, num_stages(recipe)):
                fresh = _setup(recipe, stage, device)
                state = _run_stage(recipe, run_dir, stage, fresh, state, found, wish, evaluation)
            assert state is not None
            dist.barrier()  # until rank 0 has written the snapshot
        return numbered(run_dir / "snapshots", state.nimg)
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
    evaluation: Evaluation | NoEvaluation,
) -> TrainState:
    carried = _take_over(recipe, state, before, found)
    state.stage, state.start_nimg = stage, state.nimg
    if before is None and found.path is not None:
        found.said.extend(resume_from(found.path, state, run_dir))
    state.stop_nimg = state.start_nimg + round(stage_kimg(recipe, stage) * 1000)
    with together(state.device):  # before anything is written: the data may be missing
        embeddings = choose_embeddings(recipe.data, state)
        batches = _loader(recipe, state, embeddings, start=state.nimg)
        if dist.rank() == 0:
            write_atomic(run_dir / "recipe.yaml", to_yaml(recipe).encode())
    log = TickLog(run_dir, state)
    said = [] if embeddings.line is None else [embeddings.line]
    for line in [*(found.said if before is None else []), *opening_lines(state, carried), *said]:
        log.say(line)
    snapshots, rollback = Snapshots(run_dir, recipe, log), Rollback(run_dir)
    if state.step == 0:
        first = next(batches)
        batches = chain([first], batches)
    else:
        first = next(_loader(recipe, state, embeddings, start=0))  # the pictures of a run keep their captions
    snapshots.begin(state, first)
    evaluation.begin(state, log)

    def after_step(state: TrainState) -> None:
        log.after_step(state)
        if state.wants_rollback:
            log.say(rollback(state))
        snapshots.after_step(state)
        if wish.of_any_rank(state.device):
            snapshots.stop(state, wish)
        evaluation.after_step(state)  # after the stop: a stopped run measures when it goes on

    try:
        train(state, batches, after_step)
        if stage == num_stages(recipe) - 1:
            snapshots.finish(state)
    finally:
        log.close()
    return state


def _take_over(
    recipe: AnyRecipe, state: TrainState, before: TrainState | None, found: Resume
) -> list[Carried]:
    """Weights of the stage before, or of the checkpoint that a new run starts from; a resumed run brings its own."""
    if not isinstance(recipe, GanRecipe):
        return []
    if before is not None:
        return carry_state(before, state, recipe.stage_start)
    if recipe.init is not None and found.path is None:
        return start_from(state, recipe.init)
    return []


def _loader(recipe: AnyRecipe, state: TrainState, embeddings: Embeddings, *, start: int) -> Iterator[Batch]:
    return build_loader(
        recipe.data,
        resolution=state.resolution,
        batch=state.config.batch // dist.world(),
        seed=recipe.train.seed,
        rank=dist.rank(),
        world=dist.world(),
        start=start,
        workers=recipe.train.workers if start == state.nimg else 0,
        embeddings=embeddings.fingerprint,
    )
