"""`t2igan eval curve`: arguments in, one library call, a table out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

PIPED_WIDTH = 120  # letters a line where no terminal says how many fit


def command(
    model: Annotated[
        list[str],
        typer.Option("--model", "-m", help="Checkpoint, or embedded:NAME; give it once for each model."),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Captioned shards to compare with; default: rendered shapes, for models of them."),
    ] = None,
    psi: Annotated[str, typer.Option(help="FROM:TO:STEP, or values as in 0.3,0.7,1.")] = "0:1:0.1",
    features: Annotated[
        str | None,
        typer.Option(
            help="Network of distance, precision and recall: inception, dinov2, clip, judge, small_clip, "
            "random_conv; default: inception, for rendered shapes the judge."
        ),
    ] = None,
    clip: Annotated[
        str | None,
        typer.Option(
            help="CLIP of the score, MODEL/TAG or a checkpoint; default: ViT-g-14/laion2b_s12b_b42k, for rendered shapes "
            "embedded:shapes_scorer."
        ),
    ] = None,
    n: Annotated[int, typer.Option("--count", "--n", help="Captions, the same ones at every psi.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Chooses captions and latents.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the files, and of features for going on.")
    ] = Path("out/eval-curve"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, not as a table.")
    ] = False,
) -> None:
    """Measure distance, CLIP score, precision and recall over truncation; writes curve.csv, json, png, svg and html.

    Several processes (torchrun, srun) share the work. Killed and started again, it goes on where it was.

    Example: t2igan eval curve --model embedded:shapes --count 300 --psi 0:1:0.1
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.evaluation.choice import clip_of, network_of
    from t2igan.evaluation.curve_files import as_json as plain
    from t2igan.evaluation.curve_files import curve_of_models

    with progress_bar("pictures") as on_progress:
        curve = curve_of_models(
            list(dict.fromkeys(model)),
            data,
            psi=psi,
            features=None if features is None else network_of(features),
            clip=None if clip is None else clip_of(clip),
            n=n,
            seed=seed,
            out=out,
            device=device,
            batch=batch,
            on_progress=on_progress,
        )
    if not curve.points:
        return  # not rank 0
    found = plain(curve)
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)
    print(f"wrote {out}/curve.csv, .json, .png, .svg and .html", file=sys.stderr)


def _show(found: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from t2igan.evaluation.curve_points import words

    header = ("psi", found["distance"], found["score"], "precision", "recall")
    table = Table("model", *header, "marks", box=box.SIMPLE)
    for p in found["points"]:
        values = [
            f"{p['psi']:g}",
            f"{p['distance']:.4g}",
            *(f"{p[k]:.4f}" for k in ("score", "precision", "recall")),
        ]
        table.add_row(p["model"], *values, words(p))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(table)
    for text in found["warnings"]:
        console.print(f"note: {text}", markup=False)
