"""Where a run goes on: the newest whole checkpoint of its folder, if the recipe is still the same network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2igan import checkpoint
from t2igan.decode import decode_json
from t2igan.errors import CheckpointError, RecipeError, UsageError
from t2igan.recipe.schema import EncoderRecipe, GanRecipe, Recipe
from t2igan.train.saving import numbered_files

FIXED = ("task", "data", "conditioner", "generator", "discriminator", "encoder", "loss")


@dataclass(frozen=True)
class Resume:
    """Which state to load, in which stage, and what to say about it."""

    path: Path | None
    stage: int
    said: list[str]


def find_resume(recipe: GanRecipe | EncoderRecipe, run_dir: Path, wish: str) -> Resume:
    """Find the state to go on from.

    Args:
        recipe: what is about to be trained.
        run_dir: the run's folder.
        wish: `auto`, `never`, or the path of a state.

    Raises:
        RecipeError: if the folder's run has another network, loss or data, or lacks the stage that it was in.
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
        return Resume(path, int(header.progress["stage"]), [*said, *_compare(header, recipe, path)])
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
    return header


def _compare(header: checkpoint.Header, recipe: GanRecipe | EncoderRecipe, path: Path) -> list[str]:
    """What to say about going on from `path`, once nothing forbids it."""
    changes = _differences(_as_written_today(header.recipe, path), recipe.model_dump(mode="json"), path)
    if isinstance(recipe, GanRecipe):
        stage = int(header.progress["stage"])
        resolution = header.recipe["stages"][stage]["resolution"]
        if [s.resolution for s in recipe.stages[stage : stage + 1]] != [resolution]:
            raise RecipeError(
                f"{path}: its run was in stage {stage + 1} at {resolution} px, which the recipe does not have. "
                f"Set stages.{stage}.resolution back, or choose another --out."
            )
    return [f"going on from {path} at {header.progress['nimg'] / 1000:.1f} kimg", *changes]


def _as_written_today(recipe: dict[str, Any], path: Path) -> dict[str, Any]:
    """A saved recipe with the keys that t2igan has gained since, at their defaults."""
    saved = decode_json(json.dumps(recipe), Recipe, source=f"recipe inside {path}")
    return saved.model_dump(mode="json")


def _differences(old: dict, new: dict, path: Path) -> list[str]:
    changed = [(k, a, b) for k, a, b in _leaves(old, new) if a != b]
    fatal = [k for k, _, _ in changed if k.split(".")[0] in FIXED]
    if fatal:
        raise RecipeError(
            f"{path.parent.parent}: its run has another {', '.join(fatal[:3])}. Choose another --out for a new run, "
            f"or set these keys back."
        )
    return [f"changed since: {key}: {a} -> {b}" for key, a, b in changed]


def _leaves(old: object, new: object, place: str = "") -> list[tuple[str, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [leaf for k in keys for leaf in _leaves(old.get(k), new.get(k), f"{place}.{k}".strip("."))]
    return [(place, old, new)]
