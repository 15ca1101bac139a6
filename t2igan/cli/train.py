"""`t2igan train`: arguments in, one library call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="Name of a shipped recipe, or a YAML file.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/NAME.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Shards to train on: short for --set data.shards=...")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key, as in --set train.batch=32.")
    ] = None,
    resume: Annotated[
        str, typer.Option(help="auto = go on if the folder holds this run; never; or a state file.")
    ] = "auto",
    allow_changed: Annotated[
        bool, typer.Option("--allow-changed", help="Go on with a run although its recipe has changed.")
    ] = False,
) -> None:
    """Train a model from a recipe. The same command again goes on where it stopped.

    Example: t2igan train --recipe shapes --out runs/shapes --set train.batch=32

    Many GPUs: torchrun --nproc-per-node=8 -m t2igan train --recipe R
    """
    from t2igan.recipe.load import load_recipe

    overrides = list(set_ or [])
    if data is not None:
        overrides = [f"data={{kind: shards, shards: {data!r}}}", *overrides]
    resolved = load_recipe(recipe, overrides)
    from t2igan.train.run import run

    path = run(resolved, out or Path("runs") / resolved.name, resume=resume, allow_changed=allow_changed)
    typer.echo(str(path))
