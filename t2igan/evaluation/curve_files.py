"""Checkpoints and shards -> curve.csv, .json, .png, .svg and .html. The measuring is curve.py's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from t2igan import __version__, dist
from t2igan.errors import UsageError
from t2igan.evaluation.choice import check_weights
from t2igan.evaluation.collect import OnProgress
from t2igan.evaluation.curve import measure_curve, parse_psi
from t2igan.evaluation.curve_plots import curve_page, curve_png, curve_svg
from t2igan.evaluation.curve_points import Curve, as_csv, standing_out
from t2igan.evaluation.metric import Metric
from t2igan.evaluation.model import own_eyes
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.processes import joined
from t2igan.evaluation.source import ImageSource
from t2igan.evaluation.sources.rendered import RenderedSource, shapes_of
from t2igan.evaluation.sources.shards import ShardsSource
from t2igan.files import check_folder, write_atomic
from t2igan.metrics.config import (
    ClipFeaturesConfig,
    FeaturesConfig,
    InceptionConfig,
    JudgeFeaturesConfig,
    ScorerConfig,
    SmallClipFeaturesConfig,
)
from t2igan.pipeline import TextToImage
from t2igan.shapes_protocol import PROMPT_STREAM, REFERENCE_STREAM

LEAST = 10  # captions, for nearest neighbours
REFERENCES = 2048  # rendered pictures, at least


def curve_of_models(
    models: Sequence[str],
    data: str | None = None,
    *,
    psi: str = "0:1:0.1",
    features: FeaturesConfig | None = None,
    clip: ScorerConfig | None = None,
    n: int = 10_000,
    seed: int = 0,
    out: Path,
    device: str = "auto",
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> Curve:
    """Measure models over psi and write the five files; a second call goes on where a first was killed.

    Args:
        models: checkpoints, or embedded:NAME.
        data: shards with captions: the reference; captions are drawn from them. None = rendered shapes, for models of them.
        psi: FROM:TO:STEP, or values with commas.
        features: network of the distance; None = the judge for rendered shapes, else Inception.
        clip: network of the score; None = the embedded scorer for rendered shapes, else ViT-g-14/laion2b_s12b_b42k.
        n: captions at most.
        seed: chooses captions and latents.
        out: folder of the files, and of the features in `features`.
        device: cpu, cuda, mps or auto.
        batch: pictures at once.
        on_progress: hears (pictures done, pictures in all).

    Raises:
        UsageError: for arguments that cannot be right.
        CheckpointError: if a model cannot be read.
        DataError: if there are too few captions, or a picture cannot be read.
        WeightsError: if a network is not on this machine.
    """
    psis = parse_psi(psi)
    if n < LEAST or seed < 0 or not models:
        raise UsageError(
            f"--count {n}, --seed {seed}: give a model, {LEAST} pictures or more, and a seed from 0."
        )
    check_folder(out)
    features = features or (JudgeFeaturesConfig() if data is None else InceptionConfig())
    clip = clip or (SmallClipFeaturesConfig() if data is None else ClipFeaturesConfig())
    check_weights([Metric("frechet", features), Metric("clip_score", clip)])
    with joined(device) as place:
        opened = {model: TextToImage.from_checkpoint(model, device=place) for model in models}
        resolution = min(model.resolution for model in opened.values())
        captions, reference = _material(opened, data, resolution, n=n, seed=seed)
        named = dict(zip(labels(list(opened)), opened.values(), strict=True))
        curve = measure_curve(
            named,
            captions,
            reference,
            psis=psis,
            features=features,
            clip=clip,
            cache=out / "features",
            seed=seed,
            resolution=resolution,
            batch=batch,
            on_progress=on_progress,
        )
        is_first = dist.rank() == 0
    for name, model in named.items():
        curve.facts["warnings"] += [f"{name}: {text}" for text in own_eyes(model, [clip])]
    if is_first:
        write_curve(curve, out)
    return curve


def labels(models: Sequence[str]) -> list[str]:
    """Short names that differ: the file's own, or the whole path where two files are called the same."""
    short = [Path(model).name.removesuffix(".safetensors") for model in models]
    return [name if short.count(name) == 1 else model for name, model in zip(short, models, strict=True)]


def _material(
    opened: dict[str, TextToImage], data: str | None, resolution: int, *, n: int, seed: int
) -> tuple[list[str], ImageSource]:
    if data is not None:
        shards = ShardsSource(data, Preparation(resolution))
        return choose_captions(shards.captions(), data, n=n, seed=seed), shards
    kinds = {name: shapes_of(model.header) for name, model in opened.items()}
    others = [name for name, config in kinds.items() if config is None]
    if others:
        raise UsageError(
            f"--data: {others[0]} was not trained on rendered shapes. Give shards to compare with."
        )
    config = next(iter(kinds.values()))
    assert config is not None
    asked = RenderedSource(config, resolution=resolution, seed=PROMPT_STREAM + seed, n=n)
    real = RenderedSource(config, resolution=resolution, seed=REFERENCE_STREAM + seed, n=max(n, REFERENCES))
    return asked.captions(), real


def choose_captions(captions: Sequence[str], name: str, *, n: int, seed: int) -> list[str]:
    """Those that are not empty, n at most, in their order.

    Raises:
        UsageError: if there are fewer than ten.
    """
    known = [caption for caption in captions if caption.strip()]
    if len(known) < LEAST:
        raise UsageError(
            f"{name}: {len(known)} captions; a curve needs {LEAST} at least. Give captioned shards."
        )
    chosen = np.random.default_rng(seed).permutation(len(known))[:n]
    return [known[i] for i in sorted(chosen)]


def write_curve(curve: Curve, out: Path) -> list[Path]:
    """Write curve.csv, .json, .svg, .png and .html, each whole or not at all; returns their paths.

    Raises:
        T2IGanError: if the folder cannot be written.
    """
    whole = json.dumps(as_json(curve), indent=2) + "\n"
    contents = {
        "csv": as_csv(curve).encode(),
        "json": whole.encode(),
        "svg": curve_svg(curve).encode(),
        "png": curve_png(curve),
        "html": curve_page(curve).html().encode("utf-8", "replace"),
    }
    for ending, content in contents.items():
        write_atomic(out / f"curve.{ending}", content)
    return [out / f"curve.{ending}" for ending in contents]


def as_json(curve: Curve) -> dict[str, Any]:
    """Plain values: what was measured, the points, and how."""
    points = [
        asdict(point) | marks for point, marks in zip(curve.points, standing_out(curve.points), strict=True)
    ]
    return {"distance": curve.distance, "score": curve.score, "points": points, **curve.facts,
            "t2igan": __version__}  # fmt: skip
