"""`t2igan bench ...`: speed and memory. Arguments in, one library call each, tables out."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(help="Measure speed and memory on this machine.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print every number as JSON.")]


@app.command()
def train(
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="Name of a shipped recipe, or a YAML file.")],
    steps: Annotated[int, typer.Option(min=1, help="Measured steps, after two to warm up.")] = 10,
    stage: Annotated[int | None, typer.Option(help="Stage of the recipe, from 1; default: the last.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key, e.g. train.batch=32."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Also time the plain formulation of the generator, in turns.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure training steps of a recipe. Trains from fresh weights and writes nothing.

    Example: t2igan bench train --recipe smoke --steps 5 --set train.threads=1
    """
    from t2igan.recipe.load import load_recipe

    resolved = load_recipe(recipe, set_ or ())
    from t2igan.bench.train import bench_train

    found = bench_train(resolved, steps=steps, stage=stage)
    if plain:
        from t2igan.bench.plain import bench_against_plain

        found["plain"] = bench_against_plain(resolved, steps=steps, stage=stage)
    if as_json:
        print(json.dumps(found))
    else:
        _show_train(found)


@app.command()
def sample(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Checkpoint; default: the embedded model.")
    ] = None,
    batch: Annotated[str, typer.Option(help="Images at once, as in 1,8,64.")] = "1,8,64",
    repeats: Annotated[int, typer.Option(min=1, help="Timed draws of each; fewer where 20 s are over.")] = 30,
    cold: Annotated[int, typer.Option(min=0, help="Fresh processes that draw a first image; 0 = none.")] = 3,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure drawing, text encoder included, and the first image of a fresh process.

    Example: t2igan bench sample --batch 1,8 --json
    """
    from t2igan.errors import UsageError

    pieces = [piece.strip() for piece in batch.split(",")]
    if not all(piece.isdecimal() for piece in pieces):
        raise UsageError(f"--batch {batch!r}: give whole numbers, as in 1,8,64.")
    from t2igan.bench.sample import bench_sample

    sizes = [int(piece) for piece in pieces]
    found = bench_sample(model, batches=sizes, repeats=repeats, device=device, cold_starts=cold)
    if as_json:
        print(json.dumps(found))
    else:
        _show_sample(found)


@app.command()
def loader(
    data: Annotated[
        str | None,
        typer.Option(
            help="Shards: folder, file or pattern; default: photograph-like JPEGs of three sizes, made anew."
        ),
    ] = None,
    resolution: Annotated[int, typer.Option(min=1, help="Side of the squares, in pixels.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes of the second measurement; 0 = none.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Measure reading training data: our loader, plain webdataset and a loop over Pillow, in one run.

    Example: t2igan bench loader --data datasets/cc3m --resolution 64
    """
    from t2igan.bench.loader import bench_loader

    found = bench_loader(data, resolution=resolution, workers=workers)
    if as_json:
        print(json.dumps(found))
    else:
        _show_loader(found)


@app.command("filter")
def filter_(
    clip: Annotated[
        str,
        typer.Option(
            help="CLIP whose cosines are measured, with random weights; none = only decoding and hashes."
        ),
    ] = "ViT-B-32",
    shards: Annotated[
        int, typer.Option(min=1, help="Shards of 100 pictures; twice as many are filtered as well.")
    ] = 2,
    width: Annotated[int, typer.Option(min=64, help="Of the pictures, in pixels.")] = 341,
    height: Annotated[int, typer.Option(min=64, help="Of the pictures, in pixels.")] = 256,
    as_json: AsJson = False,
) -> None:
    """Measure `data filter` with one worker: every stage alone, and the whole against the slowest of them.

    Example: t2igan bench filter --clip none --shards 4
    """
    from t2igan.bench.filter import bench_filter
    from t2igan.metrics.config import ClipFeaturesConfig

    config = None if clip == "none" else ClipFeaturesConfig(model=clip, pretrained=None)
    found = bench_filter(clip=config, shards=shards, size=(width, height))
    if as_json:
        print(json.dumps(found))
    else:
        _show_filter(found)


@app.command("eval")
def eval_(
    pictures: Annotated[int, typer.Option(min=2, help="PNG files, made anew.")] = 256,
    side: Annotated[int, typer.Option(min=16, help="Of the pictures, in pixels.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes of clean-fid's loader; 0 = none.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure the features of a folder: ours and clean-fid's, the same pictures and small network, in one run.

    Example: t2igan bench eval --pictures 128 --side 512
    """
    from t2igan.bench.evaluation import bench_evaluation

    found = bench_evaluation(pictures=pictures, side=side, workers=workers)
    if as_json:
        print(json.dumps(found))
    else:
        _show_eval(found)


def _show_eval(found: dict[str, Any]) -> None:
    facts = [
        f"{found['pictures']} PNGs of {found['side']} px through one small network at 299 px on the CPU, {found['threads']} "
        f"threads; clean-fid's loader with {found['workers']} processes",
        f"ours is {found['ratio']:.2f} times as fast; the features differ by {found['difference']:.1e} at most",
    ]
    rows = [[name, f"{rate:,.1f}", f"{1000 / rate:.2f}"] for name, rate in found["images_per_s"].items()]
    _print(facts, ["road", "images/s", "ms an image"], rows)


def _show_filter(found: dict[str, Any]) -> None:
    facts = [
        f"pictures of {found['size'][0]} x {found['size'][1]}, one worker on {found['device']}, {found['threads']} threads"
        + (f"; CLIP {found['clip']}, batch {found['batch']}" if found["clip"] else ""),
        f"whole: {found['filter']:.1f} images/s, {found['share']:.0%} of the slowest stage ({found['slowest']}) alone; "
        f"peak memory {found['peak_memory_mb']:.0f} MB",
    ]
    rows = [[name, f"{rate:,.1f}", f"{1000 / rate:.3f}"] for name, rate in found["stages"].items()]
    _print(facts, ["stage alone", "images/s", "ms an image"], rows)


def _show_train(found: dict[str, Any]) -> None:
    facts = [
        f"recipe {found['recipe']}: {found['resolution']} px, batch {found['batch']} in pieces of {found['batch_gpu']}, "
        f"{found['precision']} on {found['device']}, {found['threads']} threads, {found['steps']} steps",
        f"{found['images_per_s']:.1f} images/s; step {_ms(found['step_s']['p50'])} ms (p90 {_ms(found['step_s']['p90'])}); "
        f"{found['gflop_per_image']:.3f} GFLOP an image; peak memory {found['peak_memory_gb']:.2f} GB",
        _peaks(found),
    ]
    rows = [
        [
            name,
            _ms(part["seconds"]),
            f"{part['share']:.1%}",
            f"{part['gflop']:.2f}",
            f"{part['share_of_peak']:.1%}",
        ]
        for name, part in found["parts"].items()
    ]
    if "plain" in found:
        facts.append(_against_plain(found["plain"]))
    _print(facts, ["part of a step", "ms", "share", "GFLOP", f"of the {found['precision']} peak"], rows)


def _show_sample(found: dict[str, Any]) -> None:
    facts = [
        f"model {found['model']}: {found['resolution']} px, {found['precision']} on {found['device']}, "
        f"{found['threads']} threads; {found['gflop_per_image']:.3f} GFLOP an image; "
        f"peak memory {found['peak_memory_gb']:.2f} GB",
        f"matmul peak: {found['matmul_gflops']['float32']:,.0f} GFLOP/s in float32",
    ]
    rows = [
        [
            str(row["batch"]),
            *(f"{value:.1f}" for value in row["latency_ms"].values()),
            f"{row['text_ms']:.1f}",
            f"{row['images_per_s']:.1f}",
            f"{row['share_of_peak']:.1%}",
        ]
        for row in found["batches"]
    ]
    _print(facts, ["batch", "p50 ms", "p90 ms", "p99 ms", "text ms", "images/s", "of the peak"], rows)
    cold = found["cold_start"]
    if cold:
        packages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in cold["packages"].items())
        parts = ", ".join(
            f"{name} {cold[f'{name}_s']:.2f}"
            for name in ("python", "imports", "weights", "text", "G", "save")
        )
        print(
            f"first image of a fresh process: {cold['total_s']:.2f} s = {parts}\nlongest imports: {packages}"
        )


def _show_loader(found: dict[str, Any]) -> None:
    facts = [
        f"squares of {found['resolution']} px in batches of {found['batch']}, {found['threads']} thread a process, "
        f"torch {found['torch']}; per core = by the CPU time of one process, or by worker"
    ]
    rows = [
        [
            row["source"],
            row["road"],
            str(row["workers"]),
            f"{row['images_per_s']:,.0f}",
            f"{row['per_core']:,.0f}",
            *(f"{row[key]:.2f}" if key in row else "" for key in ("to_webdataset", "to_pillow")),
        ]
        for row in found["rows"]
    ]
    header = ["px", "road", "workers", "images/s", "per core", "x webdataset", "x Pillow"]
    _print(facts, header, rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def _against_plain(found: dict[str, Any]) -> str:
    return (
        f"plain formulation: step {found['plain_s'] * 1000:.1f} ms, ours takes {found['ratio']:.2f} of it "
        f"({found['cpu_ratio']:.2f} in CPU time), the generator's forward pass {found['forward_ratio']:.2f}"
    )


def _peaks(found: dict[str, Any]) -> str:
    shares = [
        f"{found['share_of_peak'][name]:.1%} of the {name} peak ({peak:,.0f})"
        for name, peak in found["matmul_gflops"].items()
    ]
    return f"{found['gflops']:,.0f} GFLOP/s: " + ", ".join(shares)


def _print(facts: list[str], header: list[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE)
    for number, title in enumerate(header):
        table.add_column(title, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    for fact in facts:
        console.print(fact, soft_wrap=True, markup=False)
    console.print(table)
