"""`t2igan upscale`: arguments in, one library call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from t2igan.upscaling import Outcome

LARGEST = 65_536  # pixels or tiles; beyond, numbers that no tensor can have


def command(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="IMG...", help="Pictures, folders of pictures, or patterns such as 'in/*.jpg'."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Checkpoint of an upsampler; default: the embedded one, of shapes."
        ),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=2, help="Factor: the model's own, or a power of it (16 = 4 twice). Default: the model's own."
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="What is seen, for a model that reads text.")
    ] = None,
    tile: Annotated[
        str,
        typer.Option(
            help="Side of the tiles in pixels of the input; auto = the model's own with attention, 4 times that without, halved where memory does not suffice."
        ),
    ] = "auto",
    overlap: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Overlap of tiles in pixels of the input; default: a quarter of the model's own side with attention, half without.",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, max=LARGEST, help="Tiles per forward pass; does not change the picture."),
    ] = None,
    blend: Annotated[
        Literal["feather", "paste", "checkboard", "constant"],
        typer.Option(help="How tiles are joined: smooth seams, or one of AuraSR's own ways."),
    ] = "feather",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of latent and noise.")] = 0,
    noise: Annotated[
        bool, typer.Option(help="Whether the network adds the faint noise that it was trained with.")
    ] = True,
    per_tile_z: Annotated[
        bool, typer.Option("--per-tile-z", help="A latent for every tile, as AuraSR does; slower.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same name.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    metadata: Annotated[bool, typer.Option(help="Write model, scale, seed and prompt into each PNG.")] = True,
    max_megapixels: Annotated[
        float, typer.Option(min=0.000001, help="Largest output; 269 is 16,384 x 16,384.")
    ] = 269,
) -> None:
    """Enlarge pictures and save them as PNGs, photo.jpg as photo_x4.png. One that fails stops no other.

    Example: t2igan upscale photo.jpg --model aurasr.safetensors
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.upscaler.tiling import Tiling
    from t2igan.upscaling import UpscaleRequest, upscale_files

    request = UpscaleRequest(
        places=tuple(pictures),
        model=model,
        scale=scale,
        prompt=prompt,
        seed=seed,
        tiling=Tiling(tile_side(tile), overlap, batch, blend),
        has_noise=noise,
        has_one_latent=not per_tile_z,
        out=out,
        overwrite=overwrite,
        metadata=metadata,
        device=device,
        max_megapixels=max_megapixels,
    )
    with progress_bar("thousand pixels") as on_progress:
        outcomes = [_show(outcome) for outcome in upscale_files(request, on_progress)]
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed:
        print(f"{len(failed)} of {len(outcomes)} pictures failed", file=sys.stderr)
        raise typer.Exit(failed[0].exit_code)


def tile_side(word: str) -> int | Literal["auto"]:
    """What --tile says.

    Raises:
        UsageError: if it is neither `auto` nor a whole number of at most LARGEST.
    """
    return "auto" if word == "auto" else pixels("--tile", word, or_else=", or auto")


def pixels(option: str, word: str, *, or_else: str = "") -> int:
    """A side in pixels.

    Args:
        option: which one it was given for.
        word: what was given.
        or_else: what else that option takes, for the message.

    Raises:
        UsageError: if it is no whole number, or more than LARGEST.
    """
    from t2igan.errors import UsageError

    if not word.isdecimal():
        raise UsageError(f"{option} {word}: give a whole number of pixels{or_else}.")
    if len(word) > len(str(LARGEST)) or int(word) > LARGEST:  # int() itself refuses thousands of digits
        raise UsageError(f"{option}: give at most {LARGEST:,} pixels{or_else}.")
    return int(word)


def _show(outcome: Outcome) -> Outcome:
    if outcome.error is not None:
        print(f"error: {outcome.error}", file=sys.stderr)
    else:
        notes = f"  ({'; '.join(outcome.notes)})" if outcome.notes else ""
        print(f"{outcome.job.path}  {outcome.size[0]} x {outcome.size[1]}{notes}", flush=True)
    return outcome
