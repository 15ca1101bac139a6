"""`t2igan eval prompts`: arguments in, one library call, tables out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Checkpoint; default: the embedded model.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines with category, caption and swapped; default: pairs of shapes for a model of shapes, else our "
            "general set."
        ),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            help="CLIP, MODEL/TAG or a checkpoint, or vqascore[:MODEL] of the package t2v-metrics; default: "
            "ViT-g-14/laion2b_s12b_b42k, for a model of shapes embedded:shapes_scorer."
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Latents a caption.")] = 1,
    pairs: Annotated[int, typer.Option(help="Pairs of shapes a category.")] = 50,
    seed: Annotated[int, typer.Option(help="Chooses scenes and latents.")] = 0,
    psi: Annotated[float, typer.Option(help="Truncation, -2 to 2; 1 = none.")] = 1.0,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for prompts.json; default: none is written.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, not as tables.")] = False,
) -> None:
    """Measure composition: do pictures agree with their caption, or with one that says one thing otherwise?

    Example: t2igan eval prompts --model embedded:shapes --pairs 50
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.evaluation.choice import clip_of
    from t2igan.evaluation.prompts.run import prompts_of_model
    from t2igan.evaluation.prompts.vqa import vqa_model_of
    from t2igan.files import check_folder, write_atomic

    if out is not None:
        check_folder(out)
    vqa = None if scorer is None else vqa_model_of(scorer)
    with progress_bar("pictures") as on_progress:
        found = prompts_of_model(
            model,
            prompts,
            clip=None if scorer is None or vqa else clip_of(scorer),
            vqa=vqa,
            per_category=pairs,
            seeds=n,
            seed=seed,
            psi=psi,
            device=device,
            on_progress=on_progress,
        )
    if out is not None:
        write_atomic(out / "prompts.json", (json.dumps(found, indent=2) + "\n").encode())
        print(f"wrote {out}/prompts.json", file=sys.stderr)
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from t2igan.report import percent

    def cell(values: dict[str, Any] | None, scorer: str, category: str) -> str:
        if values is None:
            return "-"
        one = values[scorer][category]
        return percent(one["value"], one["low"], one["high"])

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 112)
    controls = found["controls"]
    for scorer, accuracies in found["accuracy"].items():
        title = f"{scorer}, chance {percent(found['chance'])}"
        table = Table(
            "category", "n", "drawn", "real", "shuffled", title=title, title_justify="left", box=box.SIMPLE
        )
        for name, one in accuracies.items():
            both = (cell(controls[kind], scorer, name) for kind in ("real", "shuffled"))
            table.add_row(name, str(one["n"]), cell(found["accuracy"], scorer, name), *both)
        console.print(table)
    for text in found["notes"]:
        console.print(f"note: {text}", markup=False)
