"""Real pictures as statistics in a file: mean and covariance of one network, with what they were made of. No pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from t2igan import dist
from t2igan.errors import DataError, T2IGanError
from t2igan.evaluation.collect import OnProgress, collect
from t2igan.evaluation.metric import Metric, build_probe, stats_of
from t2igan.evaluation.probes import Probe
from t2igan.evaluation.source import ImageSource
from t2igan.metrics.stats import FeatureStats

SUFFIX = ".safetensors"


class StoredReference:
    """Statistics of real pictures, instead of the pictures.

    Attributes:
        name: the file.
        stats: count, mean and covariance.
        fingerprint: of the pictures that they were made of.
        protocol: how these pictures were prepared.
        side: width x height of the first of them.
        warnings: what a reader of the numbers should know.
    """

    def __init__(self, path: str | Path) -> None:
        """Read what `save_reference` wrote.

        Raises:
            DataError: if the file is missing or broken, or holds fewer than two pictures.
        """
        self.name, self.stats = str(path), FeatureStats.load(path)
        if len(self) < 2:
            raise DataError(
                f"{path}: statistics of {len(self)} pictures, and two are the least. Make them anew."
            )
        told = _told(self.stats.data)
        self.fingerprint, self.protocol = told.get("fingerprint", "unknown"), told.get("prepared", "unknown")
        self.side = told.get("side", "unknown")
        self.warnings = [str(text) for text in told.get("warnings", ())]

    def __len__(self) -> int:
        """How many pictures they were made of."""
        return self.stats.count

    def check(self, probe: Probe) -> None:
        """Refuse a network or a preparation that they were not made with.

        Raises:
            T2IGanError: naming both.
        """
        made, wanted = (self.stats.extractor, self.stats.protocol), (probe.name, probe.protocol)
        if made != wanted:
            raise T2IGanError(
                f"{self.name}: made by {made[0]} ({made[1]}), and this is {wanted[0]} ({wanted[1]}). Give the --features "
                "and --resize that it was made with, or make it anew with `t2igan eval stats`."
            )


def save_reference(
    source: ImageSource,
    metric: Metric,
    out: Path,
    *,
    cache: Path,
    device: torch.device | None = None,
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> FeatureStats:
    """Make the statistics of real pictures, and write them.

    Args:
        source: real pictures.
        metric: a Frechet distance, whose network looks at them.
        out: a safetensors file, whose header names network, preparations, count and fingerprint of the pictures.
        cache: folder of features.
        device: where the network computes; None = the CPU.
        batch: pictures at once.
        on_progress: hears how far it is.

    Raises:
        DataError: if there are fewer than two pictures, or one cannot be read.
        WeightsError: if the network is not on this machine.
    """
    if len(source) < 2:
        raise DataError(f"{source.name}: one picture has no covariance. Give two or more.")
    probe, place = build_probe(metric), device or torch.device("cpu")
    (rows,) = collect(source, [probe], cache, device=place, batch=batch, on_progress=on_progress)
    stats = stats_of(rows)
    height, width = next(iter(source.read(0, 1))).image.shape[1:]
    told = {
        "name": source.name,
        "fingerprint": source.fingerprint,
        "prepared": source.protocol,
        "side": f"{width} x {height}",
        "warnings": source.warnings,
    }
    stats.data = json.dumps(told)
    if dist.rank() == 0:
        stats.save(out)
    return stats


def _told(data: str) -> dict[str, Any]:
    """What `save_reference` wrote beside the numbers; nothing of statistics that something else made."""
    try:
        told = json.loads(data)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
