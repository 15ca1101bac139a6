"""`t2igan data ...`: make training data. Arguments in, one library call each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

app = typer.Typer(help="Make training data: tar shards of images and captions.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", help="New or empty folder for the shards.")]
PerShard = Annotated[int, typer.Option("--per-shard", help="Samples in one tar.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@app.command()
def shapes(
    out: Out,
    n: Annotated[int, typer.Option("--n", help="Number of samples.")] = 10_000,
    resolution: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of the scenes.")] = 0,
    scenes: Annotated[Literal["single", "pair", "both"], typer.Option(help="Objects in a scene.")] = "both",
    combinations: Annotated[
        Literal["seen", "held_out", "all"], typer.Option(help="Which colour-shape pairs appear.")
    ] = "seen",
    captions: Annotated[
        Literal["full", "mixed"], typer.Option(help="full names every attribute; mixed leaves some unsaid.")
    ] = "mixed",
    masks: Annotated[
        bool, typer.Option("--masks", help="Also write mask.png: 0 background, 1 and 2 objects.")
    ] = False,
    per_shard: PerShard = 1000,
    as_json: AsJson = False,
) -> None:
    """Write the embedded captioned shapes as shards.

    Example: t2igan data shapes --n 10000 --resolution 64 --out datasets/shapes
    """
    from t2igan.data.config import ShapesConfig
    from t2igan.data.shapes_shards import write_shapes

    config = ShapesConfig(scenes=scenes, combinations=combinations, captions=captions)
    _show(
        write_shapes(
            out, n=n, resolution=resolution, seed=seed, config=config, has_masks=masks, per_shard=per_shard
        ),
        as_json=as_json,
    )


@app.command("import")
def import_(
    folder: Annotated[
        Path, typer.Argument(help="Images with same-named .txt files, or with a metadata.jsonl.")
    ],
    out: Out,
    size: Annotated[
        int | None, typer.Option(help="Shrink the shorter side to this; skip smaller images.")
    ] = None,
    background: Annotated[str, typer.Option(help="Colour under transparent pixels.")] = "white",
    per_shard: PerShard = 1000,
    as_json: AsJson = False,
) -> None:
    """Turn a folder of images and captions into shards; count and name what is left out.

    A row of metadata.jsonl: {"file_name": "a.png", "text": "a cat", "split": "train"}; each split becomes a folder.

    Example: t2igan data import pictures --size 64 --out datasets/pictures
    """
    from t2igan.data.importer import import_folder

    _show(import_folder(folder, out, size=size, background=background, per_shard=per_shard), as_json=as_json)


def _show(summary: dict[str, Any], *, as_json: bool) -> None:
    """The summary to stdout."""
    if as_json:
        print(json.dumps(summary))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False)
    for name, value in summary.items():
        if value not in ({}, None):
            table.add_row(
                name,
                ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else str(value),
            )
    Console().print(table)
