"""`t2igan model ...`: look into checkpoints and share them. Arguments in, one library call each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from t2igan.cli import convert

ORIGIN = ("source", "revision", "sha256", "licence")  # of converted weights: rows of their own

app = typer.Typer(help="Look into, export and convert checkpoints.", no_args_is_help=True)
app.add_typer(convert.app, name="convert")


@app.command()
def info(
    file: Annotated[str, typer.Argument(help="Checkpoint, or embedded:NAME.")],
    fingerprint: Annotated[
        bool,
        typer.Option("--fingerprint", help="Also hash the weights, as PNGs record it; reads the whole file."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what a checkpoint is: network, text encoder, recipe, progress, sizes. Instant, as weights are not read.

    Example: t2igan model info runs/demo/gan/snapshots/000200.0.safetensors
    """
    from t2igan.model_info import model_info

    found = model_info(file, has_fingerprint=fingerprint)
    if as_json:
        print(json.dumps(found))
        return
    for name, text in _lines(found):
        print(f"{name:12}  {text}")


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="A run's state/*.safetensors, or any checkpoint.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, ending in .safetensors.")],
    half: Annotated[
        bool, typer.Option("--half", help="Store float32 as float16; loading gives float32 back.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of the same name.")] = False,
) -> None:
    """Write what others need of a checkpoint: the averaged generator, or the encoder. No optimiser, no critic.

    Example: t2igan model export runs/demo/gan/state/000200.0.safetensors --out demo.safetensors --half
    """
    from t2igan.export import export as write

    header = write(source, out, is_half=half, may_overwrite=overwrite)
    print(f"{out}  {header.kind}, {out.stat().st_size / 1e6:.2f} MB")


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    told = dict(found["progress"])
    origin = {key: told.pop(key, None) for key in ORIGIN}
    progress = ", ".join(f"{key} {value}" for key, value in told.items())
    rows = [
        ("file", f"{found['path']}, {found['bytes'] / 1e6:.2f} MB"),
        ("kind", f"{found['kind']}, made by {found['created_by']}"),
        ("network", _flat(found["network"])),
        ("text encoder", _flat(found["conditioner"])),
        ("recipe", found["recipe"]),
        ("progress", progress),
        ("source", ", ".join(str(value) for value in (origin["source"], origin["revision"]) if value)),
        ("sha256", origin["sha256"]),
        ("licence", origin["licence"]),
        *((prefix, _sizes(count)) for prefix, count in found["tensors"].items()),
        ("fingerprint", found.get("fingerprint") or ""),
    ]
    return [(name, text) for name, text in rows if text]


def _flat(section: dict[str, Any]) -> str:
    """`stylegan_t: z_dim 32, ...`: the section's own name first, nulls left out."""
    named = {key: value for key, value in section.items() if value is not None}
    title = named.pop("arch", named.pop("kind", ""))
    return f"{title}: " + ", ".join(f"{key} {value}" for key, value in named.items()) if named else title


def _sizes(count: dict[str, Any]) -> str:
    kinds = ", ".join(count["dtypes"])
    return f"{count['tensors']} tensors, {count['numbers']:,} numbers, {count['bytes'] / 1e6:.2f} MB, {kinds}"
