"""`t2igan eval folder`, `eval model` and `eval stats`: any pictures, by the networks that are named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from t2igan.cli.eval_tables import new_console, print_measured, print_notes
from t2igan.cli.progress_bar import progress_bar

Place = "folder or zip of pictures, or shards (folder, file, pattern)"
Metrics = Annotated[
    str, typer.Option(help="Some of fid, fd, kid, prdc, is, fd_dinov2, cmmd, clip_score, with commas.")
]
Features = Annotated[
    str,
    typer.Option(
        help="Network of fd, kid and prdc: inception, dinov2, clip:MODEL/TAG, or offline judge, small_clip, random_conv."
    ),
]
Resize = Annotated[
    Literal["clean", "legacy_tensorflow", "legacy_pytorch"],
    typer.Option(help="How pictures come to Inception's 299 px; clean-fid's names."),
]
Clips = Annotated[
    list[str] | None,
    typer.Option(
        "--clip",
        help="Of clip_score: MODEL/TAG of open_clip, or a checkpoint of a small CLIP; may be repeated. Default: ViT-g-14/laion2b_s12b_b42k.",
    ),
]
Cache = Annotated[Path, typer.Option(help="Folder of features; what is in it is not computed again.")]
Batch = Annotated[int, typer.Option(min=1, help="Pictures at once.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")]
Seed = Annotated[int, typer.Option(min=0, help="Of subsets and bootstraps.")]
Size = Annotated[
    int | None,
    typer.Option(
        min=1, help="Cut all pictures to centred squares of so many pixels first; default: as stored."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="JSON file for the result.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")]
CACHE = Path("out/eval-cache")


def folder(
    pictures: Annotated[str, typer.Argument(metavar="A", help=f"What is judged: {Place}.")],
    reference: Annotated[
        str | None,
        typer.Argument(metavar="B", help="Real pictures, likewise; or statistics of `eval stats`."),
    ] = None,
    metrics: Metrics = "fd,kid,prdc",
    features: Features = "inception",
    resize: Resize = "clean",
    clip: Clips = None,
    size: Size = None,
    seed: Seed = 0,
    batch: Batch = 64,
    device: Device = "auto",
    cache: Cache = CACHE,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Compare two sets of pictures: Frechet distances (FID if by Inception), KID, precision and recall, CMMD, and more.

    Example: t2igan eval folder out/pictures photographs.zip --metrics fid,kid --out out/fid.json
    """
    from t2igan.evaluation.choice import check_weights, choose_metrics, offline_advice

    chosen = choose_metrics(_words(metrics), features=features, resize=resize, clips=clip or ())
    _prepare(out)
    check_weights(chosen)
    from t2igan.evaluation.evaluate import evaluate
    from t2igan.evaluation.preparation import Preparation
    from t2igan.evaluation.processes import joined
    from t2igan.evaluation.reference import SUFFIX, StoredReference
    from t2igan.evaluation.sources import open_source

    preparation = Preparation(size)
    judged, real = open_source(pictures, preparation), None
    if reference is not None:
        is_stored = reference.endswith(SUFFIX)
        real = StoredReference(reference) if is_stored else open_source(reference, preparation)
    with joined(device) as place, progress_bar("pictures") as on_progress, offline_advice():
        found = evaluate(
            judged, real, chosen, cache=cache, device=place, batch=batch, seed=seed, on_progress=on_progress
        )
    _report(found, out, as_json=as_json)


def model(
    name: Annotated[str, typer.Argument(metavar="M", help="Checkpoint, or embedded:shapes.")],
    data: Annotated[
        str, typer.Option("--data", help="Shards of captioned pictures: what is drawn, and the reference.")
    ],
    n: Annotated[
        int, typer.Option("--count", "--n", min=2, help="Pictures to draw, at most one a caption.")
    ] = 30_000,
    psi: Annotated[float, typer.Option(help="Truncation, -2 to 2; 1 = none.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture, of subsets and bootstraps.")] = 0,
    metrics: Metrics = "fd,kid,prdc,clip_score",
    features: Features = "inception",
    resize: Resize = "clean",
    clip: Clips = None,
    batch: Batch = 64,
    device: Device = "auto",
    cache: Cache = CACHE,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Let a model draw the captions of pictures, and compare the drawings with the pictures and the captions.

    Example: t2igan eval model embedded:shapes --data shards/test --features judge --clip embedded:shapes_scorer
    """
    from t2igan.evaluation.choice import check_weights, choose_metrics, offline_advice

    chosen = choose_metrics(_words(metrics), features=features, resize=resize, clips=clip or ())
    _prepare(out)
    check_weights(chosen)
    from t2igan.evaluation.model import evaluate_model
    from t2igan.evaluation.processes import joined

    with joined(device) as place, progress_bar("pictures") as on_progress, offline_advice():
        found = evaluate_model(
            name,
            data,
            chosen,
            cache=cache,
            n=n,
            psi=psi,
            seed=seed,
            device=place,
            batch=batch,
            on_progress=on_progress,
        )
    _report(found, out, as_json=as_json)


def stats(
    source: Annotated[str, typer.Argument(help=f"Real pictures: {Place}.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write, .safetensors.")],
    features: Features = "inception",
    resize: Resize = "clean",
    size: Size = None,
    batch: Batch = 64,
    device: Device = "auto",
    cache: Cache = CACHE,
) -> None:
    """Keep mean and covariance of real pictures, for Frechet distances without the pictures: eval folder A FILE.

    Example: t2igan eval stats photographs.zip --size 256 --out photographs.safetensors
    """
    from t2igan.errors import UsageError
    from t2igan.evaluation.choice import check_weights, choose_metrics, offline_advice

    (chosen,) = choose_metrics(["fd"], features=features, resize=resize)
    if out.suffix != ".safetensors":
        raise UsageError(
            f"--out {out}: name a file that ends with .safetensors, by which `eval folder` knows it."
        )
    _prepare(out)
    check_weights([chosen])
    from t2igan.evaluation.preparation import Preparation
    from t2igan.evaluation.processes import joined
    from t2igan.evaluation.reference import save_reference
    from t2igan.evaluation.sources import open_source

    real = open_source(source, Preparation(size))
    with joined(device) as place, progress_bar("pictures") as on_progress, offline_advice():
        made = save_reference(
            real, chosen, out, cache=cache, device=place, batch=batch, on_progress=on_progress
        )
    print(f"wrote {out}: {made.count} pictures, {made.extractor}, {made.protocol}")
    for text in real.warnings:
        print(f"warning: {text}", file=sys.stderr)


def _words(metrics: str) -> list[str]:
    return [word.strip() for word in metrics.split(",") if word.strip()]


def _prepare(out: Path | None) -> None:
    from t2igan.files import check_folder

    if out is not None:
        check_folder(out.parent)


def _report(found: dict[str, Any], out: Path | None, *, as_json: bool) -> None:
    """To stdout, and to a file where one is named; nothing on ranks that have no result."""
    if not found:
        return
    if out is not None:
        from t2igan.files import write_atomic

        write_atomic(out, (json.dumps(found, indent=2) + "\n").encode())
        print(f"wrote {out}", file=sys.stderr)
    if as_json:
        print(json.dumps(found))
        return
    console = new_console()
    print_measured(console, found)
    print_notes(console, "warning", found["warnings"])
