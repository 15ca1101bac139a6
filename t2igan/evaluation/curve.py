"""Distance and CLIP score over truncation: the same captions and seeds at every psi. Not the pictures of the curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from t2igan import dist
from t2igan.errors import UsageError
from t2igan.evaluation.collect import OnProgress, collect
from t2igan.evaluation.curve_points import Curve, CurvePoint
from t2igan.evaluation.evaluate import FEW
from t2igan.evaluation.metric import NEIGHBOURS, Metric, build_probe, compute
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.probes import Probe
from t2igan.evaluation.source import ImageSource
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.evaluation.store import Rows
from t2igan.metrics.config import FeaturesConfig, ScorerConfig
from t2igan.pipeline import PSI_RANGE, TextToImage

MOST_PSIS = 1000


def parse_psi(text: str) -> tuple[float, ...]:
    """`0:1:0.1` -> 0, 0.1 .. 1 (both ends, exactly as decimals), or `0.3,1` -> these; ascending.

    Raises:
        UsageError: if it is neither, or a psi is outside [-2, 2].
    """
    try:
        parts = [Decimal(part) for part in text.replace(":", ",").split(",")]
        values = _range(*parts) if ":" in text else parts
        found = tuple(sorted({float(value) for value in values}))
    except (ArithmeticError, TypeError, ValueError) as error:
        raise UsageError(
            f"--psi {text}: give FROM:TO:STEP as in 0:1:0.1, or values as in 0.3,0.7,1."
        ) from error
    if not all(PSI_RANGE[0] <= psi <= PSI_RANGE[1] for psi in found):
        raise UsageError(f"--psi {text}: every psi lies from -2 to 2.")
    return found


def _range(first: Decimal, last: Decimal, step: Decimal) -> list[Decimal]:
    count = int((last - first) / step) + 1  # a step of 0 is Decimal's own error
    if not 0 < count <= MOST_PSIS or (last - first) * step < 0:
        raise ValueError(f"{count} values")
    return [first + i * step for i in range(count)]


def measure_curve(
    models: Mapping[str, TextToImage],
    captions: Sequence[str],
    reference: ImageSource,
    *,
    psis: Sequence[float],
    features: FeaturesConfig,
    clip: ScorerConfig,
    cache: Path,
    seed: int = 0,
    resolution: int | None = None,
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> Curve:
    """Draw and measure every model at every psi; what is in the cache already is not drawn again.

    Args:
        models: name -> model.
        captions: drawn by every model at every psi, caption i with latent seed + i.
        reference: real pictures, read once.
        psis: truncations.
        features: network of distance, precision and recall.
        clip: network of the score; not the text encoder of a model.
        cache: folder of features.
        seed: of the first latent.
        resolution: larger pictures of a model are shrunk to it; None = they stay as drawn.
        batch: pictures at once.
        on_progress: hears (pictures done, pictures in all).

    Returns:
        The curve on rank 0; one without points on others.

    Raises:
        UsageError: if the score's CLIP is a model's own text encoder.
        DataError: if a picture cannot be read.
        WeightsError: if a network is not on this machine.
    """
    metrics = (Metric("frechet", features), Metric("prdc", features), Metric("clip_score", clip))
    image, pair = build_probe(metrics[0]), build_probe(metrics[2])
    for name, model in models.items():
        if model.conditioner.fingerprint == pair.name:
            raise UsageError(f"--clip: {pair.name} is the text encoder of {name}, which learned to please it. "
                             "Give a separately trained CLIP.")  # fmt: skip
    told = _Progress(on_progress, len(reference) + len(models) * len(psis) * len(captions))
    device = next(iter(models.values())).device
    (real,) = collect(reference, [image], cache, device=device, batch=batch, on_progress=told.of(reference))
    points = []
    for name, model in models.items():
        prepare = Preparation(resolution if resolution and resolution < model.resolution else None)
        for psi in psis:
            drawn = DrawnSource(
                model, captions, name=name, psi=psi, seed=seed, preparation=prepare, batch=batch
            )
            rows = collect(drawn, [image, pair], cache, device=model.device, batch=batch,
                           on_progress=told.of(drawn))  # fmt: skip
            if dist.rank() == 0:
                points.append(_point(name, psi, rows, real, metrics))
    facts = _facts(models, captions, reference, (image, pair), seed)
    return Curve(points, metrics[0].name, metrics[2].name, facts)


def _point(
    name: str, psi: float, rows: Sequence[Rows], real: Rows, metrics: tuple[Metric, Metric, Metric]
) -> CurvePoint:
    distance, manifold = (compute(metric, rows[0], real)["value"] for metric in metrics[:2])
    score = compute(metrics[2], rows[1], None)["value"]
    return CurvePoint(name, psi, distance, score, manifold["precision"], manifold["recall"])


def _facts(
    models: Mapping[str, TextToImage],
    captions: Sequence[str],
    reference: ImageSource,
    probes: tuple[Probe, Probe],
    seed: int,
) -> dict[str, Any]:
    few = min(len(captions), len(reference))
    warnings = [f"{reference.name}: {text}" for text in reference.warnings]
    if few < FEW:
        warnings.append(f"{few} pictures: a Frechet distance of under {FEW} is mostly bias. Compare within this curve "
                        "only.")  # fmt: skip
    return {
        "n": len(captions),
        "seed": seed,
        "models": {name: model.fingerprint for name, model in models.items()},
        "reference": {
            "name": reference.name,
            "count": len(reference),
            "fingerprint": reference.fingerprint,
            "prepared": reference.protocol,
        },
        "neighbours": NEIGHBOURS,  # of precision and recall
        "networks": [f"{probe.name}: {probe.protocol}" for probe in probes],
        "warnings": warnings,
    }


class _Progress:
    """Adds sources up; one that is half in the cache counts as half when it begins."""

    def __init__(self, on_progress: OnProgress | None, total: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0

    def of(self, source: ImageSource) -> Callable[[int, int], None]:
        before, count = self._done, len(source)
        self._done += count

        def told(done: int, todo: int) -> None:
            if self._on_progress:
                self._on_progress(before + count * done // todo, self._total)

        return told
