"""Pictures, real ones to compare with, and metrics -> a result that says how it was made."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from t2igan import __version__, dist
from t2igan.errors import UsageError
from t2igan.evaluation.collect import OnProgress, collect
from t2igan.evaluation.metric import KID_SUBSET_SIZE, Metric, build_probe, compute
from t2igan.evaluation.probes import Probe
from t2igan.evaluation.reference import StoredReference
from t2igan.evaluation.source import ImageSource
from t2igan.evaluation.store import Rows
from t2igan.metrics.stats import FeatureStats

FEW = 2048  # pictures under which a Frechet distance is mostly bias
LIBRARIES = ("torch", "numpy", "pillow")


def evaluate(
    pictures: ImageSource,
    reference: ImageSource | StoredReference | None,
    metrics: Sequence[Metric],
    *,
    cache: Path,
    device: torch.device | None = None,
    batch: int = 64,
    seed: int = 0,
    ddof: int = 1,
    protocol: str = "own",
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Measure.

    Args:
        pictures: what is judged.
        reference: real pictures, or their statistics for Frechet distances; None if no metric compares.
        metrics: which numbers.
        cache: folder of features, which a later call with the same pictures and networks reuses.
        device: where networks compute; None = the CPU.
        batch: pictures at once.
        seed: of subsets and bootstraps.
        ddof: of covariances; 1 is np.cov's, 0 StyleGAN-T's.
        protocol: name of the recipe that is followed.
        on_progress: hears how far the networks are.

    Returns:
        {"protocol", "pictures", "reference", "metrics": name -> {"value", ...}, "warnings", ...} on rank 0; {} on others.

    Raises:
        DataError: if a picture cannot be read, or lacks a caption that is needed.
        WeightsError: if a network is not on this machine.
        UsageError: if a metric compares and there is no reference, or only statistics where it needs pictures.
        T2IGanError: if there are too few pictures, or the statistics are of another network or preparation.
    """
    device, start = device or torch.device("cpu"), time.monotonic()
    comparing = [metric for metric in metrics if metric.needs_reference]
    built = {(metric.kind == "clip_score", metric.network, metric.pairs): metric for metric in metrics}
    distinct = {key: build_probe(metric) for key, metric in built.items()}
    probes = {
        metric: distinct[metric.kind == "clip_score", metric.network, metric.pairs] for metric in metrics
    }
    _check_reference(reference, comparing, probes)
    settings: dict[str, Any] = {"device": device, "batch": batch, "on_progress": on_progress}
    rows = _collect(pictures, metrics, probes, cache, settings)
    real: Mapping[Metric, Rows | FeatureStats] = {}
    if isinstance(reference, StoredReference):
        real = dict.fromkeys(comparing, reference.stats)
    elif reference is not None:
        real = _collect(reference, comparing, probes, cache, settings)
    if dist.rank() != 0:
        return {}
    found = {
        metric.name: compute(metric, rows[metric], real.get(metric), seed=seed, ddof=ddof)
        | {"network": probes[metric].name, "prepared": probes[metric].protocol}
        for metric in metrics
    }
    return {
        "protocol": protocol,
        "pictures": _describe(pictures),
        "reference": _describe(reference) if reference is not None else None,
        "metrics": found,
        "warnings": _warnings(pictures, reference, metrics),
        "seed": seed,
        "device": str(device),
        "versions": {"t2igan": __version__} | {name: version(name) for name in LIBRARIES},
        "seconds": round(time.monotonic() - start, 1),
    }


def _collect(
    source: ImageSource,
    metrics: Sequence[Metric],
    probes: dict[Metric, Probe],
    cache: Path,
    settings: dict[str, Any],
) -> dict[Metric, Rows]:
    """The rows of each metric; networks that several metrics share run once."""
    distinct = {_key(probes[m]): probes[m] for m in metrics}
    if not distinct:
        return {}
    found = dict(zip(distinct, collect(source, list(distinct.values()), cache, **settings), strict=True))
    return {metric: found[_key(probes[metric])] for metric in metrics}


def _key(probe: Probe) -> tuple[str, str, bool]:
    return probe.name, probe.protocol, probe.needs_captions


def _check_reference(
    reference: ImageSource | StoredReference | None,
    comparing: Sequence[Metric],
    probes: Mapping[Metric, Probe],
) -> None:
    """Refuse what cannot be compared before hours are spent on it."""
    if comparing and reference is None:
        raise UsageError(f"{comparing[0].name}: compares with real pictures. Give them.")
    if not isinstance(reference, StoredReference):
        return
    for metric in comparing:
        if metric.kind != "frechet":
            raise UsageError(
                f"{metric.name}: needs real pictures, and {reference.name} holds statistics, of which only Frechet "
                "distances are made. Give the pictures, or leave it out."
            )
        reference.check(probes[metric])


def _describe(source: ImageSource | StoredReference) -> dict[str, Any]:
    return {
        "name": source.name,
        "count": len(source),
        "fingerprint": source.fingerprint,
        "prepared": source.protocol,
    }


def _warnings(
    pictures: ImageSource, reference: ImageSource | StoredReference | None, metrics: Sequence[Metric]
) -> list[str]:
    sources = [source for source in (pictures, reference) if source is not None]
    found = [f"{source.name}: {text}" for source in sources for text in source.warnings]
    kinds, fewest = {metric.kind for metric in metrics}, min(map(len, sources))
    sides = [_side(source) for source in sources]
    if len(set(sides)) > 1:
        found.append(
            f"pictures of {sides[0]} px against real ones of {sides[1]} px: prepare both to one size, or the distance "
            "measures the resize."
        )
    if "kid" in kinds and fewest < KID_SUBSET_SIZE:
        found.append(f"{fewest} pictures: KID's subsets are of {fewest}, not of {KID_SUBSET_SIZE}.")
    if "frechet" in kinds and fewest < FEW:
        found.append(
            f"{fewest} pictures: a Frechet distance of under {FEW} is mostly bias, and compares with nothing."
        )
    return found


def _side(source: ImageSource | StoredReference) -> str:
    """Width x height of the first picture."""
    if isinstance(source, StoredReference):
        return source.side
    height, width = next(iter(source.read(0, 1))).image.shape[1:]
    return f"{width} x {height}"
