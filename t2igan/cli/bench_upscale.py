"""`t2igan bench upscale`: arguments in, one library call, a table out."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer


def command(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Checkpoint of an upsampler; default: the embedded one."),
    ] = None,
    untrained: Annotated[
        Literal["aura_sr", "gigagan_upsampler"] | None,
        typer.Option(help="An architecture at its published size with random weights, in place of a model."),
    ] = None,
    side: Annotated[str, typer.Option(help="Of the square pictures, in pixels, as in 64,256.")] = "64,256",
    tile: Annotated[str, typer.Option(help="Side of the tiles, or auto, as for `t2igan upscale`.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16, fp16, or several, as in fp32,bf16.")] = "fp32",
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each; fewer where 20 s are over.")] = 10,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print every number as JSON.")] = False,
) -> None:
    """Measure enlarging, bytes in to bytes out, tiles and seams included.

    Example: t2igan bench upscale --untrained aura_sr --side 64 --precision fp32,bf16
    """
    from t2igan.cli.upscale import pixels, tile_side

    sides, tile_or_auto = [pixels("--side", word.strip()) for word in side.split(",")], tile_side(tile)
    from t2igan.bench.upscale import bench_upscale

    found = bench_upscale(
        model,
        untrained=untrained,
        sides=sides,
        tile=tile_or_auto,
        precisions=[name.strip() for name in precision.split(",")],
        repeats=repeats,
        device=device,
    )
    if as_json:
        print(json.dumps(found))
    else:
        from t2igan.cli.bench_tables import show_upscale

        show_upscale(found)
