"""Where a run goes on: the newest whole checkpoint of its folder, if the recipe is still the same network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from t2igan import __version__, checkpoint, dist
from t2igan.decode import decode_json
from t2igan.errors import CheckpointError, RecipeError, UsageError
from t2igan.files import remove_abandoned
from t2igan.recipe.schema import EncoderRecipe, GanRecipe, Recipe
from t2igan.train.agreement import from_rank0, together
from t2igan.train.saving import load_state, numbered_files
from t2igan.train.state import TrainState

# What a run may change between two starts: what is shown, kept and loaded how, but not what is learned.
FREE = ("name", "description", "samples", "metrics")
FREE_TRAIN = ("threads", "workers", "tick_kimg", "sample_kimg", "state_kimg", "keep_states", "keep_snapshots",
              "milestone_kimg", "on_bad_steps", "max_bad_steps", "loggers", "compile", "shard_generator")  # fmt: skip
ASIDE = ".aside"  # added to the name of a state that is not gone on from


@dataclass(frozen=True)
class Resume:
    """Which state to load, in which stage, and what to say about it."""

    path: Path | None
    stage: int
    said: list[str]


def agree_on_resume(
    recipe: GanRecipe | EncoderRecipe, run_dir: Path, wish: str, device: torch.device, *, allow_changed: bool
) -> Resume:
    """What rank 0 finds, on all ranks, once it has removed what a killed process left half-written.

    Raises:
        T2IGanError: as `find_resume`, on every rank.
    """
    found = Resume(None, 0, [])
    with together(device):
        if dist.rank() == 0:
            found = find_resume(recipe, run_dir, wish, allow_changed=allow_changed)
            removed = ", ".join(str(path.relative_to(run_dir)) for path in remove_abandoned(run_dir))
            found.said.extend([f"removed what a killed process left: {removed}"] if removed else [])
    stage, _, path = from_rank0(f"{found.stage} {found.path or ''}", device).partition(" ")
    return Resume(Path(path) if path else None, int(stage), found.said)


def resume_from(path: Path, state: TrainState, run_dir: Path) -> list[str]:
    """Load a state on all ranks, and set aside the folder's newer ones: they are damaged, or of a course now given up.

    Returns:
        What to say about it.

    Raises:
        CheckpointError: if the state does not fit, or another rank cannot read it.
    """
    with together(state.device):
        load_state(state, path)
    if dist.rank() != 0:
        return []
    newer = [old for old in numbered_files(run_dir / "state") if float(old.stem) * 1000 > state.nimg + 50]
    for old in newer:
        old.replace(old.with_name(old.name + ASIDE))  # else they would be the newest for good
    return [f"set aside: {old}{ASIDE}" for old in newer]


def find_resume(
    recipe: GanRecipe | EncoderRecipe, run_dir: Path, wish: str, *, allow_changed: bool = False
) -> Resume:
    """Find the state to go on from.

    Args:
        recipe: what is about to be trained.
        run_dir: the run's folder.
        wish: `auto`, `never`, or the path of a state.
        allow_changed: go on although keys differ that change what is learned.

    Raises:
        RecipeError: if such keys differ and may not, or the recipe lacks the stage that the run was in.
        UsageError: if `wish` is `never` and the folder holds a run.
        CheckpointError: if there are states, but none can be read.
    """
    states = numbered_files(run_dir / "state")[::-1]
    if wish == "never" and states:
        raise UsageError(
            f"{run_dir}: holds a run already. Choose another --out, or leave out --resume never to go on."
        )
    candidates = states if wish in ("auto", "never") else [Path(wish)]
    said: list[str] = []
    for path in candidates:
        try:
            header = _read_state_header(path)
        except CheckpointError as error:
            if wish != "auto":
                raise
            said.append(f"warning: {error} Trying the one before.")
            continue
        changes = _compare(header, recipe, path, allow_changed=allow_changed)
        return Resume(path, int(header.progress["stage"]), [*said, *changes])
    if states:
        raise CheckpointError(
            f"{run_dir}/state: none of its checkpoints is whole. Choose another --out to start anew."
        )
    return Resume(None, 0, [])


def _read_state_header(path: Path) -> checkpoint.Header:
    header = checkpoint.read_header(path)
    if header.kind != "state":
        raise CheckpointError(
            f"{path}: a checkpoint of kind {header.kind!r}; only a run's state/* can be resumed."
        )
    checkpoint.verify(path)  # now, while there is an older one to take
    return header


def _compare(
    header: checkpoint.Header, recipe: GanRecipe | EncoderRecipe, path: Path, *, allow_changed: bool
) -> list[str]:
    """What to say about going on from `path`, once nothing forbids it."""
    if isinstance(recipe, GanRecipe):
        stage = int(header.progress["stage"])
        resolution = header.recipe["stages"][stage]["resolution"]
        if [s.resolution for s in recipe.stages[stage : stage + 1]] != [resolution]:
            raise RecipeError(
                f"{path}: its run was in stage {stage + 1} at {resolution} px, which the recipe does not have. "
                f"Set stages.{stage}.resolution back, or choose another --out."
            )
    old = _as_written_today(header, path)
    changes = _differences(old, recipe.model_dump(mode="json"), path, allow_changed=allow_changed)
    here = f"t2igan {__version__}"
    if header.created_by != here:
        changes.append(f"saved by {header.created_by}, going on with {here}")
    return [f"going on from {path} at {header.progress['nimg'] / 1000:.1f} kimg", *changes]


def _as_written_today(header: checkpoint.Header, path: Path) -> dict[str, Any]:
    """A saved recipe with the keys that t2igan has gained since, at their defaults."""
    try:
        saved = decode_json(json.dumps(header.recipe), Recipe, source=f"recipe inside {path}")
    except RecipeError as error:
        raise CheckpointError(
            f"{path}: saved by {header.created_by}, whose recipe t2igan {__version__} does not understand. Go on with "
            f"that version, or choose another --out.\n{error}"
        ) from error
    return saved.model_dump(mode="json")


def _differences(old: dict, new: dict, path: Path, *, allow_changed: bool) -> list[str]:
    changed = [(k, a, b) for k, a, b in _leaves(old, new) if a != b]
    lines = [f"{key}: {a} -> {b}" for key, a, b in changed]
    if any(not _is_free(key) for key, _, _ in changed) and not allow_changed:
        raise RecipeError(
            "\n".join(
                [
                    f"{path.parent.parent}: its run was started with another recipe. Set these keys back, choose another "
                    f"--out for a new run, or add --allow-changed to go on with the change:",
                    *(line for line, (key, _, _) in zip(lines, changed, strict=True) if not _is_free(key)),
                ]
            )
        )
    return [f"changed since: {line}" for line in lines]


def _is_free(key: str) -> bool:
    """Also how long to train, and stages that are still to come: none of that changes what was learned."""
    if re.fullmatch(r"kimg|stages\.\d+(\.kimg)?|data\.cache(_dir|_gb)?", key):
        return True
    first, _, rest = key.partition(".")
    return first in FREE or (first == "train" and rest.split(".")[0] in FREE_TRAIN)


def _leaves(old: object, new: object, place: str = "") -> list[tuple[str, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [leaf for k in keys for leaf in _leaves(old.get(k), new.get(k), f"{place}.{k}".strip("."))]
    if isinstance(old, list) and isinstance(new, list) and any(isinstance(x, dict) for x in [*old, *new]):
        pairs = enumerate(zip_longest(old, new))
        return [leaf for i, (a, b) in pairs for leaf in _leaves(a, b, f"{place}.{i}")]
    return [(place, old, new)]
