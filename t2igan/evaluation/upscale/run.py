"""`t2igan eval upscale`: from a request to a result that says how it was made. Prints nothing."""

from __future__ import annotations

import time
from importlib.metadata import version
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from t2igan import __version__, dist
from t2igan.evaluation.collect import OnProgress, collect
from t2igan.evaluation.evaluate import FEW, LIBRARIES
from t2igan.evaluation.processes import joined
from t2igan.evaluation.store import Rows
from t2igan.evaluation.upscale.prepared import Prepared, prepare
from t2igan.evaluation.upscale.probe import CAPTIONED, UpscaleProbe
from t2igan.evaluation.upscale.request import UpscaleEvalRequest
from t2igan.evaluation.upscale.resampling import shrunk
from t2igan.evaluation.upscale.speed import speeds
from t2igan.evaluation.upscale.summary import DECIBELS, summary

CHUNK = 64  # pictures of a file: large ones take long, and ranks share few of them


def evaluate_upscaler(
    request: UpscaleEvalRequest, *, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """Measure an upsampler beside filters, on many processes if torchrun or SLURM started them.

    Args:
        request: what is asked for.
        on_progress: hears how far it is.

    Returns:
        {"recipe" (lines), "pictures", "model", "methods": model | bicubic | lanczos -> what `summary` documents and
        "speed", "networks" (name of a number -> network), "warnings", "device", "versions", "seconds"}; {} on all processes
        but the first.

    Raises:
        UsageError: for a scale that the model cannot do, or sizes and counts that cannot be.
        CheckpointError: if the model cannot be read, or is no upsampler.
        DataError: if a picture cannot be read or is smaller than `resolution`.
        WeightsError: if a network is asked for that is not on this machine.
        T2IGanError: if the model's output is not finite, or memory does not suffice.
    """
    start = time.monotonic()
    with joined(request.device) as place:
        ready = prepare(request, place)
        probe = UpscaleProbe(
            ready.methods, ready.recipe, features=ready.features, perceptual=ready.perceptual
        )
        settings: dict[str, Any] = {"device": place, "batch": request.batch, "on_progress": on_progress}
        (rows,) = collect(ready.source, [probe], request.cache, chunk_size=CHUNK, **settings)
        if dist.rank() != 0:
            return {}
        return _result(ready, rows, request) | {
            "device": str(place),
            "versions": {"t2igan": __version__} | {name: version(name) for name in LIBRARIES},
            "seconds": round(time.monotonic() - start, 1),
        }


def _result(ready: Prepared, rows: Rows, request: UpscaleEvalRequest) -> dict[str, Any]:
    numbers = summary(
        rows,
        [method.name for method in ready.methods],
        perceptual=ready.perceptual.name if ready.perceptual else None,
        distance=ready.distance,
        patches=ready.recipe.patches,
        seed=ready.recipe.seed,
    )
    taken = speeds(ready.methods, *_few(ready, request.batch), batch=request.batch)
    source = ready.source
    return {
        "recipe": ready.recipe.lines(),
        "resolution": ready.recipe.resolution,
        "scale": ready.recipe.scale,
        "pictures": {
            "name": source.name,
            "count": len(source),
            "fingerprint": source.fingerprint,
            "prepared": source.protocol,
        },
        "model": _described(ready, request),
        "methods": {name: values | {"speed": taken[name]} for name, values in numbers.items()},
        "networks": ready.networks,
        "warnings": [*ready.warnings, *_warnings(ready, rows, numbers)],
    }


def _described(ready: Prepared, request: UpscaleEvalRequest) -> dict[str, Any]:
    upscaler, model = ready.upscaler, ready.model
    return {
        "name": ready.name,
        "fingerprint": upscaler.fingerprint,
        "parameters": sum(p.numel() for p in upscaler.G.parameters()),  # pyright: ignore[reportAttributeAccessIssue]
        "text_encoder": upscaler.conditioner.fingerprint if upscaler.conditioner else None,
        "reads_text": upscaler.reads_text,
        "passes": model.passes,
        "tile": model.tile,
        "overlap": model.overlap,
        "noise": request.has_noise,
    }


def _few(ready: Prepared, most: int) -> tuple[Tensor, list[str]]:
    """The first pictures, small, and their captions."""
    pictures = list(islice(ready.source.read(0, min(most, len(ready.source))), most))
    images = torch.stack([picture.image for picture in pictures])
    low = shrunk(images, ready.recipe.scale, by=ready.recipe.shrink)
    return low, [picture.caption for picture in pictures]


def _warnings(ready: Prepared, rows: Rows, numbers: dict[str, dict[str, Any]]) -> list[str]:
    source, count = ready.source, len(ready.source)
    found = [f"{source.name}: {text}" for text in source.warnings]
    blank = count - int(rows.all(CAPTIONED).sum())
    if ready.upscaler.reads_text and blank:
        found.append(f"{blank} of {count} pictures have no caption, so the model read an empty one")
    patches = count * ready.recipe.patches
    if ready.distance is not None and patches < FEW:
        found.append(
            f"{patches} patches: a Frechet distance of under {FEW} is mostly bias, and compares with nothing."
        )
    for name, values in numbers.items():
        for measure in DECIBELS:
            exact = values[measure]["identical"]
            if exact:
                found.append(
                    f"{name}: {exact} pictures are met bit for bit, so the mean of {measure} is infinite; see `pooled`"
                )
    return found
