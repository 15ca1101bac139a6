"""`t2igan data ...`: make training data. Arguments in, one library call each."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from t2igan.cli.data_download import download
from t2igan.cli.data_filter import filter_, score, write
from t2igan.cli.data_import import AsJson, Out, PerShard, fluent_emoji, import_
from t2igan.cli.data_select import presets, preview, select, stats
from t2igan.cli.data_shards import bucket, embed, validate

app = typer.Typer(help="Make training data: tar shards of images and captions.", no_args_is_help=True)


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
    from t2igan.cli.summary import show_summary
    from t2igan.data.config import ShapesConfig
    from t2igan.data.shapes_shards import write_shapes

    config = ShapesConfig(scenes=scenes, combinations=combinations, captions=captions)
    show_summary(
        write_shapes(
            out, n=n, resolution=resolution, seed=seed, config=config, has_masks=masks, per_shard=per_shard
        ),
        as_json=as_json,
    )


app.command("import")(import_)
app.command("download")(download)
app.command("fluent-emoji")(fluent_emoji)
app.command("score")(score)
app.command("select")(select)
app.command("presets")(presets)
app.command("stats")(stats)
app.command("preview")(preview)
app.command("filter")(filter_)
app.command("write")(write)
app.command("bucket")(bucket)
app.command("embed")(embed)
app.command("validate")(validate)
