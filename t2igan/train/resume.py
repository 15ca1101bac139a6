"""Where a run goes on: the newest whole checkpoint of its folder, if the recipe is still the same network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from t2igan import checkpoint
from t2igan.errors import CheckpointError, RecipeError, UsageError
from t2igan.recipe.schema import EncoderRecipe, GanRecipe

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
        RecipeError: if the folder's run has another network, loss or data.
        UsageError: if `wish` is `never` and the folder holds a run.
    """
    states = sorted((run_dir / "state").glob("*.safetensors"), reverse=True)
    if wish == "never" and states:
        raise UsageError(
            f"{run_dir}: holds a run already. Choose another --out, or leave out --resume never to go on."
        )
    candidates = states if wish in ("auto", "never") else [Path(wish)]
    said: list[str] = []
    for path in candidates:
        try:
            header = checkpoint.read_header(path)
        except CheckpointError as error:
            if wish != "auto":
                raise
            said.append(f"warning: {error} Trying the one before.")
            continue
        changes = _differences(header.recipe, recipe.model_dump(mode="json"), path)
        kimg = header.progress["nimg"] / 1000
        return Resume(
            path, int(header.progress["stage"]), [*said, f"going on from {path} at {kimg:.1f} kimg", *changes]
        )
    return Resume(None, 0, said)


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
