"""`t2igan eval ...`: measure a model. Arguments in, one library call each."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from t2igan.cli import (
    eval_benchmarks,
    eval_coco,
    eval_curve,
    eval_prompts,
    eval_sources,
    eval_speed,
    eval_tokens,
    eval_upscale,
)

app = typer.Typer(help="Measure a model.", no_args_is_help=True)
app.command("coco")(eval_coco.command)
app.command("compbench")(eval_benchmarks.compbench)
app.command("curve")(eval_curve.command)
app.command("folder")(eval_sources.folder)
app.command("geneval")(eval_benchmarks.geneval)
app.command("model")(eval_sources.model)
app.command("prompts")(eval_prompts.command)
app.command("speed")(eval_speed.command)
app.command("stats")(eval_sources.stats)
app.command("tokens")(eval_tokens.command)
app.command("upscale")(eval_upscale.command)
PIPED_WIDTH = 112  # letters a line where no terminal says how many fit


@app.callback()
def _group() -> None:
    """Measure a model."""


@app.command()
def shapes(
    model: Annotated[
        str | None, typer.Option("--model", help="Checkpoint, or embedded:NAME; default: the embedded model.")
    ] = None,
    n: Annotated[
        int, typer.Option("--n", help="Images of each group (held-out and seen, one and two objects).")
    ] = 1000,
    psi: Annotated[float, typer.Option(help="Truncation, -2 to 2; 1 = none.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Chooses prompts and latents.")] = 0,
    scenes: Annotated[Literal["single", "pair", "both"], typer.Option(help="Objects in a scene.")] = "both",
    judge: Annotated[str, typer.Option(help="Checkpoint of the judge.")] = "embedded:shapes_judge",
    scorer: Annotated[
        str,
        typer.Option(
            help="Checkpoint of a small CLIP that the model never saw, for the CLIP score; or none."
        ),
    ] = "embedded:shapes_scorer",
    out: Annotated[Path, typer.Option("--out", help="Folder for eval.json and report.html.")] = Path(
        "out/eval-shapes"
    ),
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON instead of a table.")
    ] = False,
) -> None:
    """Measure a model of shapes: prompt accuracy, Frechet distance and KID by an independent judge, with controls.

    Example: t2igan eval shapes --model runs/shapes/snapshots/000250.0.safetensors --n 1000
    """
    from t2igan.shapes_eval import evaluate_shapes_model

    numbers = evaluate_shapes_model(
        model,
        n=n,
        psi=psi,
        seed=seed,
        scenes=scenes,
        judge=judge,
        scorer=None if scorer == "none" else scorer,
        out=out,
        device=device,
        on_progress=_progress if sys.stderr.isatty() else None,
    )
    if as_json:
        print(json.dumps(numbers))
    else:
        _show(numbers)
    print(f"wrote {out}/eval.json and {out}/report.html", file=sys.stderr)


@app.command()
def pictures(
    data: Annotated[
        str, typer.Option("--data", help="Shards of captioned pictures that training did not see.")
    ],
    scorer: Annotated[
        str, typer.Option("--scorer", help="Small CLIP that is not the model's text encoder.")
    ] = "embedded:shapes_scorer",
    model: Annotated[
        str | None, typer.Option("--model", help="Checkpoint; default: the embedded model.")
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Pictures at most.")] = 1000,
    psi: Annotated[float, typer.Option(help="Truncation, -2 to 2; 1 = none.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Chooses latents.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder for eval.json and pictures.png.")] = Path(
        "out/eval-pictures"
    ),
) -> None:
    """Measure a model on own pictures: agreement with captions and distance from the pictures, by a small CLIP.

    Example: t2igan eval pictures --data shards/test --scorer runs/scorer/snapshots/000050.2.safetensors
    """
    from t2igan.pictures_eval import evaluate_pictures

    numbers = evaluate_pictures(model, data, scorer, n=n, psi=psi, seed=seed, out=out)
    print(json.dumps(numbers, indent=2))


def _progress(done: int, total: int) -> None:
    print(f"\r{done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _show(numbers: dict[str, Any]) -> None:
    """Tables to stdout."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from t2igan.shapes_report import COLUMNS, KIND_TITLES, accuracy_rows, distance_rows

    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    plans = [
        (KIND_TITLES[kind], ["attribute", *COLUMNS], accuracy_rows(numbers, kind))
        for kind in numbers["accuracy"]
    ]
    plans.append(("Distances", ["measure", "generated", "real", "shuffled prompts"], distance_rows(numbers)))
    for title, header, rows in plans:
        table = Table(*header, title=title, title_justify="left", box=box.SIMPLE)
        for row in rows:
            table.add_row(*row)
        console.print(table)
