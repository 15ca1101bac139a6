"""`t2igan model convert ...`: weights of other programs as checkpoints. Arguments in, one library call each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Turn weights of other programs into checkpoints.", no_args_is_help=True)


@app.command("stylegan-t")
def stylegan_t(
    file: Annotated[
        Path, typer.Argument(help="Official snapshot (.pkl), state dict (.pt), or .safetensors.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write, ending in .safetensors.")],
    weights: Annotated[
        Literal["ema", "raw"],
        typer.Option("--weights", help="Averaged, or as the optimiser left them."),
    ] = "ema",
    conditioner: Annotated[
        str,
        typer.Option("--conditioner", help="open_clip MODEL:TAG of the text encoder it was trained on."),
    ] = "ViT-L-14:openai",
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence of the weights, stored in the file.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of the same name.")] = False,
) -> None:
    """Convert a StyleGAN-T generator. Nothing in a pickle is run: only tensors are built, anything unexpected is refused.

    Example: t2igan model convert stylegan-t network-snapshot.pkl --out mine.safetensors
    """
    from t2igan.convert.stylegan_t_file import LICENCE, convert

    done = convert(
        file,
        out,
        which=weights,
        conditioner=conditioner,
        licence=licence or LICENCE,
        may_overwrite=overwrite,
    )
    config, text = done.header.config, done.header.conditioner
    print(
        f"{out}  generator, {config['resolution']} px, {weights} weights, {out.stat().st_size / 1e6:.2f} MB"
    )
    print(f"text encoder  {text['model']} {text['pretrained']}")
    if done.num_text_tensors:
        print(
            f"left out  the text tower inside the file ({done.num_text_tensors} tensors), whose place the text encoder "
            f"takes; if that tower was trained too, prompts are now read differently"
        )
    print(f"licence  converted weights keep their licence: {done.header.progress['licence']}")


@app.command("gigagan-pytorch")
def gigagan_pytorch(
    file: Annotated[
        Path, typer.Argument(help="What GigaGAN.save wrote (.pt), a generator's state dict, or .safetensors.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write, ending in .safetensors.")],
    weights: Annotated[
        Literal["ema", "raw"],
        typer.Option("--weights", help="Averaged, or as the optimiser left them."),
    ] = "ema",
    conditioner: Annotated[
        str,
        typer.Option("--conditioner", help="open_clip MODEL:TAG of the text encoder it was trained on."),
    ] = "ViT-B-32:laion400m_e32",
    cross_heads: Annotated[
        int | None,
        typer.Option(
            "--cross-heads", min=1, help="cross_attn_heads of its training, if not 8: tensors do not tell."
        ),
    ] = None,
    lr_mul: Annotated[
        float | None,
        typer.Option("--lr-mul", help="lr_mul of its style network, if not 0.1: tensors do not tell."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence of the weights, stored in the file.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of the same name.")] = False,
) -> None:
    """Convert a generator of gigagan-pytorch (the community's GigaGAN). Nothing in a pickle is run.

    Example: t2igan model convert gigagan-pytorch gigagan-models/model-100.ckpt --out mine.safetensors
    """
    from t2igan.convert.gigagan_pytorch_file import LICENCE, convert

    done = convert(
        file,
        out,
        which=weights,
        conditioner=conditioner,
        cross_heads=cross_heads,
        lr_mul=lr_mul,
        licence=licence or LICENCE,
        may_overwrite=overwrite,
    )
    config, text = done.header.config, done.header.conditioner
    pixels = 4 << (len(config["channels"]) - 1)
    print(f"{out}  generator, {pixels} px, {weights} weights, {out.stat().st_size / 1e6:.2f} MB")
    if text["kind"] == "none":
        print("text encoder  none: it was trained without text, so every prompt draws the same pictures")
    else:
        print(f"text encoder  {text['model']} {text['pretrained']}")
    if done.num_clip_tensors:
        print(
            f"left out  the CLIP inside the file ({done.num_clip_tensors} tensors), whose place the text encoder takes"
        )
    print(f"licence  converted weights keep their licence: {done.header.progress['licence']}")


@app.command("aura-sr")
def aura_sr(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_HUB_ID", help="model.safetensors, its folder, or a hub id as fal/AuraSR-v2."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write, ending in .safetensors.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="The config.json, where it is not beside the weights.")
    ] = None,
    dtype: Annotated[
        Literal["fp32", "bf16"], typer.Option("--dtype", help="bf16 halves the file; it is read as float32.")
    ] = "fp32",
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence of the weights, stored in the file.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch a hub id that is not in the local cache.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of the same name.")] = False,
) -> None:
    """Convert an AuraSR upsampler: model.safetensors with its config.json. Pickles (model.ckpt) are refused.

    Example: t2igan model convert aura-sr fal/AuraSR-v2 --download --out aurasr-v2.safetensors
    """
    from t2igan.convert.aura_sr_file import convert

    done = convert(
        source,
        out,
        config=config,
        dtype=dtype,
        licence=licence,
        may_download=download,
        may_overwrite=overwrite,
    )
    origin = done.header.progress
    for warning in done.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(
        f"{out}  upsampler, {done.header.config['resolution']} px tiles, {dtype}, {out.stat().st_size / 1e6:.2f} MB"
    )
    print(
        f"source  {' '.join(filter(None, (origin['source'], origin['revision'])))}, sha256 {origin['sha256']}"
    )
    print(f"self-test  {origin['self_test']}")
    print(f"licence  converted weights keep their licence: {origin['licence']}")
