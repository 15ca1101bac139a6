"""Pictures, real ones to compare with, and metrics -> a result that says how it was made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from t2igan import __version__, dist
from t2igan.evaluation.collect import OnProgress, collect
from t2igan.evaluation.metric import Metric, build_probe, compute
from t2igan.evaluation.probes import Probe
from t2igan.evaluation.source import ImageSource
from t2igan.evaluation.store import Rows

FEW = 2048  # pictures under which a Frechet distance is mostly bias
LIBRARIES = ("torch", "numpy", "pillow")


def evaluate(
    pictures: ImageSource,
    reference: ImageSource | None,
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
        reference: real pictures; None if no metric compares.
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
        T2IGanError: if there are too few pictures.
    """
    device, start = device or torch.device("cpu"), time.monotonic()
    comparing = [metric for metric in metrics if metric.needs_reference]
    probes = {metric: build_probe(metric) for metric in metrics}
    settings: dict[str, Any] = {"device": device, "batch": batch, "on_progress": on_progress}
    rows = _collect(pictures, metrics, probes, cache, settings)
    real = _collect(reference, comparing, probes, cache, settings) if reference is not None else {}
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
        "warnings": _warnings(pictures, reference, comparing),
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


def _describe(source: ImageSource) -> dict[str, Any]:
    return {
        "name": source.name,
        "count": len(source),
        "fingerprint": source.fingerprint,
        "prepared": source.protocol,
    }


def _warnings(pictures: ImageSource, reference: ImageSource | None, comparing: Sequence[Metric]) -> list[str]:
    found = [f"{pictures.name}: {text}" for text in pictures.warnings]
    found += [f"{reference.name}: {text}" for text in reference.warnings] if reference is not None else []
    counts = [len(source) for source in (pictures, reference) if source is not None]
    if any(metric.kind == "frechet" for metric in comparing) and min(counts) < FEW:
        found.append(
            f"{min(counts)} pictures: a Frechet distance of under {FEW} is mostly bias, and compares with nothing."
        )
    return found
