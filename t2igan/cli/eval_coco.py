"""`t2igan eval coco`: arguments in, one library call, and the published numbers that may stand beside the result."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from t2igan.cli.eval_tables import new_console, print_measured, print_notes, print_table


def command(
    coco: Annotated[
        Path, typer.Option("--coco", help="Folder of MS-COCO: annotations/ and val2014/ (or val2017/).")
    ],
    model: Annotated[
        str | None, typer.Option("--model", help="Checkpoint, or embedded:NAME; default: the embedded model.")
    ] = None,
    protocol: Annotated[
        Literal["clean30k", "stylegan-t", "gigagan", "val2017-5k"],
        typer.Option(help="Recipe of captions, reference, resize and networks."),
    ] = "clean30k",
    resolution: Annotated[
        int | None, typer.Option(help="Pixels, as in 64 or 256; default: the protocol's.")
    ] = None,
    psi: Annotated[float, typer.Option(help="Truncation, -2 to 2; 1 = none.")] = 1.0,
    n: Annotated[
        int | None,
        typer.Option(
            "--count", "--n", help="Pictures; other than the protocol's, nothing published compares."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first picture, and of draws with replacement.")] = 0,
    features: Annotated[
        str,
        typer.Option(
            help="inception, or another network for trying out (random_conv, judge, small_clip, dinov2, clip): no FID."
        ),
    ] = "inception",
    clip: Annotated[
        str | None,
        typer.Option(
            help="MODEL/TAG of open_clip, a small CLIP's checkpoint, or none; default: the protocol's."
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder or zip of pictures of another model, instead of --model."),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option("--captions", help="A caption a line: of --images, or to draw by protocol gigagan."),
    ] = None,
    write_captions: Annotated[
        Path | None,
        typer.Option(
            "--write-captions", help="Only write the protocol's captions to a file, to draw them elsewhere."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for coco.json and captions.txt.")] = Path(
        "out/eval-coco"
    ),
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder of features, to be shared; default: in --out.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 64,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON instead of tables.")
    ] = False,
) -> None:
    """Measure zero-shot MS-COCO by one of four protocols, beside published numbers of the same one.

    Several processes (torchrun, srun) share the work. Killed and started again, it goes on where it was.

    Example: t2igan eval coco --model G.safetensors --coco data/coco --protocol stylegan-t --resolution 64
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.evaluation.coco import run
    from t2igan.evaluation.coco.request import CocoRequest

    request = CocoRequest(
        coco,
        model=model,
        protocol=protocol,
        resolution=resolution,
        psi=psi,
        n=n,
        seed=seed,
        features=features,
        clip=clip,
        images=images,
        captions=captions,
        out=out,
        cache=cache,
        device=device,
        batch=batch,
    )
    if write_captions is not None:
        count = run.write_captions(request, write_captions)
        print(f"wrote {count} captions to {write_captions}", file=sys.stderr)
        return
    with progress_bar("pictures") as bar:
        result = run.evaluate_coco(request, on_progress=bar)
    if result:
        print(json.dumps(result, indent=2)) if as_json else show(result)
        print(f"wrote {out}/coco.json", file=sys.stderr)


def show(result: dict[str, Any]) -> None:
    """The result, how it was made, and what was published by the same protocol."""
    from t2igan.evaluation.show import TITLES, published_table

    console = new_console()
    if any(result["obstacles"].values()):
        console.print("The protocol, from which this run departs as the notes say:")
    for line in result["recipe"]:
        console.print(line, markup=False)
    told = result["captions"]
    console.print(f"recipe {result['recipe_sha256']}; captions' list {told['list_sha256']}\n", markup=False)
    print_measured(console, result)
    for measure in TITLES:
        if not result["obstacles"][measure]:
            print_table(console, *published_table(result, measure))
    print_notes(console, "note", [*result["differs"], *result["warnings"]])
