"""`t2igan sample`: arguments in, one library call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    prompts: Annotated[
        list[str], typer.Argument(help="What to draw; several prompts are several rows of the grid.")
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Checkpoint; default: the embedded model.")
    ] = None,
    psi: Annotated[
        float, typer.Option(help="Truncation: 1 = full variety, 0.7 = safer, 0 = the mean.")
    ] = 1.0,
    psi_global: Annotated[
        float | None,
        typer.Option(help="The same towards the mean of all prompts (GigaGAN); default: as --psi."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, as in 0-7 or 3,8,12.")] = "0",
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    grid: Annotated[bool, typer.Option("--grid", help="Also write grid.png with captions.")] = False,
    batch: Annotated[
        int, typer.Option(min=1, help="Images per forward pass; does not change the images.")
    ] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace pictures of the same name.")
    ] = False,
    scale: Annotated[int, typer.Option(min=1, max=32, help="Whole factor by which pixels are repeated.")] = 1,
    upscale: Annotated[
        list[str] | None,
        typer.Option(
            "--upscale",
            help="Checkpoint of an upsampler that enlarges the pictures; may be repeated, one after another.",
        ),
    ] = None,
    metadata: Annotated[bool, typer.Option(help="Write prompt, seed, psi and model into each PNG.")] = True,
) -> None:
    """Draw a prompt with every seed and save PNGs.

    Example: t2igan sample "a small green triangle above a large blue circle" --psi 0.8 --seeds 0-7 --grid
    """
    from t2igan.sampling import SampleRequest, sample

    request = SampleRequest(
        prompts=tuple(prompts),
        seeds=seeds,
        psi=psi,
        psi_global=psi_global,
        model=model,
        out=out,
        grid=grid,
        batch=batch,
        device=device,
        overwrite=overwrite,
        scale=scale,
        metadata=metadata,
        upscale=tuple(upscale or ()),
    )
    for path in sample(request):
        typer.echo(str(path))
