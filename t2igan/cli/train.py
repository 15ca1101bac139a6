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
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print parameters, FLOPs, memory, disk and time of the run; write nothing."
        ),
    ] = False,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="With --dry-run: plan for so many GPUs, which need not be here.")
    ] = None,
) -> None:
    """Train a model from a recipe. The same command again goes on where it stopped.

    Example: t2igan train --recipe shapes --out runs/shapes --set train.batch=32

    Many GPUs: torchrun --nproc-per-node=8 -m t2igan train --recipe R

    What it would be: t2igan train --recipe full --dry-run --gpus 64
    """
    from t2igan.errors import UsageError
    from t2igan.recipe.load import load_recipe

    if gpus is not None and not dry_run:
        raise UsageError("--gpus only plans: add --dry-run, or start as many processes with torchrun.")
    if dry_run and (resume != "auto" or allow_changed):
        raise UsageError("--dry-run looks at a whole new run: leave out --resume and --allow-changed.")
    overrides = list(set_ or [])
    if data is not None:
        overrides = [f"data={{kind: shards, shards: {data!r}}}", *overrides]
    resolved = load_recipe(recipe, overrides)
    out = out or Path("runs") / resolved.name
    if dry_run:
        from t2igan.cli.plan import show_plan

        show_plan(resolved, out, gpus=gpus)
        return
    from t2igan.train.run import run

    path = run(resolved, out, resume=resume, allow_changed=allow_changed)
    typer.echo(str(path))
