"""`t2igan eval upscale`: arguments in, one library call, one table out, and what papers printed of other protocols."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from t2igan.cli.eval_tables import new_console, print_notes, print_table


def command(
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Folder or zip of pictures, or shards; or shapes, shapes:seen, shapes:held_out, rendered on the fly.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Checkpoint of an upsampler; default: the embedded one, of shapes."
        ),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Side of the originals in pixels, to which pictures are cut; default: what the model was trained to give.",
        ),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(min=2, help="Factor: the model's own, or a power of it. Default: the model's own."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="The first pictures only; default: all, or 1000 shapes.")
    ] = None,
    shrink: Annotated[
        Literal["area", "bicubic"],
        typer.Option(help="How pictures are made small: means of squares, or antialiased bicubic."),
    ] = "area",
    border: Annotated[
        int | None,
        typer.Option(min=0, help="Pixels at the edges that PSNR and SSIM leave out; default: --scale."),
    ] = None,
    patch: Annotated[
        int | None,
        typer.Option(min=1, help="Side of a patch in pixels; default: half a picture's, 299 at most."),
    ] = None,
    patches: Annotated[int, typer.Option(min=1, help="Patches of each picture.")] = 4,
    features: Annotated[
        str,
        typer.Option(
            help="Network of the patches' Frechet distance: inception, dinov2, clip:MODEL/TAG, or offline judge, small_clip, random_conv; auto = inception where its weights are, else small_clip; none."
        ),
    ] = "auto",
    perceptual: Annotated[
        str,
        typer.Option(
            help="Distance of pairs: lpips_alex, lpips_vgg, or offline small_clip; auto = lpips_alex where its weights are, else small_clip; none."
        ),
    ] = "auto",
    tile: Annotated[
        str, typer.Option(help="Side of the model's tiles in pixels of the small picture, or auto.")
    ] = "auto",
    noise: Annotated[
        bool, typer.Option(help="Whether the model adds the faint noise that it was trained with.")
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, help="Of latents, noise, places of patches, shapes and intervals.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 8,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    cache: Annotated[
        Path,
        typer.Option(help="Folder of what was measured of each picture; what is in it is not done again."),
    ] = Path("out/eval-cache"),
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the result.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON instead of a table.")
    ] = False,
) -> None:
    """Make pictures small, enlarge them by a model, bicubic and Lanczos, and measure all three in one table.

    Several processes (torchrun, srun) share the work. Killed and started again, it goes on where it was.

    Example: t2igan eval upscale --model aurasr.safetensors --data photographs.zip --resolution 512
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.errors import UsageError
    from t2igan.evaluation.upscale.request import UpscaleEvalRequest
    from t2igan.evaluation.upscale.run import evaluate_upscaler
    from t2igan.files import check_folder, write_atomic

    if tile != "auto" and not tile.isdecimal():
        raise UsageError(f"--tile {tile}: give a whole number of pixels, or auto.")
    if out is not None:
        check_folder(out.parent)
    request = UpscaleEvalRequest(
        data,
        model=model,
        resolution=resolution,
        scale=scale,
        count=count,
        shrink=shrink,
        border=border,
        patch=patch,
        patches=patches,
        features=features,
        perceptual=perceptual,
        tile="auto" if tile == "auto" else int(tile),
        has_noise=noise,
        seed=seed,
        batch=batch,
        device=device,
        cache=cache,
    )
    with progress_bar("pictures") as on_progress:
        result = evaluate_upscaler(request, on_progress=on_progress)
    if not result:
        return
    if out is not None:
        write_atomic(out, (json.dumps(result, indent=2, allow_nan=False) + "\n").encode())
        print(f"wrote {out}", file=sys.stderr)
    print(json.dumps(result, allow_nan=False)) if as_json else show(result)


def show(result: dict[str, Any]) -> None:
    """How it was measured, the numbers of all methods, and papers' numbers, which compare with none of them."""
    from t2igan.evaluation.upscale.show import PAPER_HEADER, facts, paper_rows, table

    console = new_console()
    for line in facts(result):
        console.print(line, soft_wrap=True, markup=False)
    print_table(console, *table(result))
    console.print("Papers, each by a protocol of its own: none of these compares with the numbers above.")
    print_table(console, PAPER_HEADER, paper_rows())
    print_notes(console, "warning", result["warnings"])
