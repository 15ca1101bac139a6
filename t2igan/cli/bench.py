"""`t2igan bench ...`: speed and memory. Arguments in, one library call each, tables out."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from t2igan.cli import bench_upscale

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
        from t2igan.cli.bench_tables import show_train

        show_train(found)


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
        from t2igan.cli.bench_tables import show_sample

        show_sample(found)


app.command("upscale")(bench_upscale.command)


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
        from t2igan.cli.bench_tables import show_loader

        show_loader(found)


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
        from t2igan.cli.bench_tables import show_filter

        show_filter(found)


@app.command("eval")
def eval_(
    part: Annotated[
        list[str] | None,
        typer.Option(help="folder, overlap, memory or frechet, several times for several; default: all."),
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=2, help="PNG files, made anew; drawings are four times as many.")
    ] = 256,
    side: Annotated[int, typer.Option(min=16, help="Of the files, in pixels.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes of clean-fid's loader; 0 = none.")] = 0,
    network: Annotated[
        Literal["small", "inception"],
        typer.Option(
            help="What the pictures go through: small shows what is around it, inception is FID's size."
        ),
    ] = "small",
    rounds: Annotated[
        int, typer.Option(min=1, help="Turns; the best of each counts. More where other jobs run.")
    ] = 3,
    device: Annotated[
        str, typer.Option(help="Of the drawings: cpu, cuda or mps; default: cuda where there is one.")
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure an evaluation: folders beside clean-fid, drawing overlapped with features, memory, distance beside sqrtm.

    Example: t2igan bench eval --part folder --side 512
    """
    from t2igan.bench.evaluation import PARTS, bench_evaluation
    from t2igan.errors import UsageError

    if unknown := set(part or ()).difference(PARTS):
        raise UsageError(f"--part {min(unknown)}: known are {', '.join(PARTS)}.")
    parts = [name for name in PARTS if name in (part or PARTS)]
    found = bench_evaluation(
        parts, pictures=pictures, side=side, workers=workers, network=network, device=device, rounds=rounds
    )
    if as_json:
        print(json.dumps(found))
    else:
        from t2igan.cli.bench_eval_tables import show_eval

        show_eval(found)


@app.command()
def gigagan(
    part: Annotated[
        list[str] | None,
        typer.Option(help="forward or training, twice for both; default: both."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Measured rounds, after one to warm up.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Measure GigaGAN at 64 px beside the community's port (gigagan-pytorch), in turns; minutes. Without it, ours alone.

    Example: t2igan bench gigagan --part forward
    """
    from t2igan.bench.gigagan import PARTS, bench_gigagan
    from t2igan.bench.gigagan_port import INSTALL, find_port

    found = bench_gigagan(part or PARTS, find_port(), rounds=rounds, threads=threads)
    if as_json:
        print(json.dumps(found))
    else:
        from t2igan.cli.bench_gigagan_tables import show_gigagan

        show_gigagan(found, install=INSTALL)
