"""A model against captioned pictures: it draws their captions, and the drawings are compared with pictures and captions.

Not zero-shot: that is said of a model and pictures that its training never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from t2igan.errors import DataError
from t2igan.evaluation.collect import OnProgress
from t2igan.evaluation.evaluate import evaluate
from t2igan.evaluation.metric import Metric
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.evaluation.sources.shards import ShardsSource
from t2igan.metrics.config import ClipFeaturesConfig, FeaturesConfig, ScorerConfig, SmallClipFeaturesConfig
from t2igan.pipeline import DEFAULT_MODEL, TextToImage


def evaluate_model(
    model: str | None,
    data: str,
    metrics: Sequence[Metric],
    *,
    cache: Path,
    n: int = 30_000,
    psi: float = 1.0,
    seed: int = 0,
    device: torch.device | None = None,
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Draw the captions of pictures, and compare.

    Args:
        model: checkpoint; None = the embedded model.
        data: shards of captioned pictures; all of them, shrunk to the model's resolution, are the reference.
        metrics: which numbers.
        cache: folder of features.
        n: pictures to draw, each of the next caption; at most as many as there are captions.
        psi: truncation.
        seed: of the first picture, and of subsets and bootstraps.
        device: where networks compute; None = the CPU.
        batch: pictures at once.
        on_progress: hears how far it is.

    Returns:
        What `evaluate` documents; a CLIP score says in `shuffled` what the drawings score with each other's captions.

    Raises:
        CheckpointError: if the model cannot be read.
        DataError: if no picture has a caption, or one cannot be read or is smaller than the model's.
        WeightsError: if a network is not on this machine.
    """
    pipeline = TextToImage.from_checkpoint(model, device=device or "cpu")
    real = ShardsSource(data, Preparation(pipeline.resolution))
    told = real.captions()
    captions = [caption for caption in told if caption.strip()]
    if not captions:
        raise DataError(f"{data}: none of {len(told)} pictures has a caption to draw. Give captioned shards.")
    name = model or DEFAULT_MODEL
    drawn = DrawnSource(pipeline, captions[:n], name=name, psi=psi, seed=seed, batch=batch)
    drawn.warnings += own_eyes(
        pipeline, [metric.network for metric in metrics if metric.kind == "clip_score"]
    )
    if len(captions) < len(told):
        drawn.warnings.append(
            f"{len(told) - len(captions)} of {len(told)} pictures of {data} have no caption to draw"
        )
    if len(captions) < n:
        drawn.warnings.append(f"{len(captions)} captions, so {n} pictures were not drawn")
    settings: dict[str, Any] = {"device": pipeline.device, "batch": batch, "on_progress": on_progress}
    return evaluate(drawn, real, metrics, cache=cache, seed=seed, **settings)


def own_eyes(pipeline: TextToImage, networks: Sequence[FeaturesConfig | ScorerConfig]) -> list[str]:
    """A line for each CLIP that the model was trained with: it has learned to please that one."""
    known = list(_sections(pipeline.header.conditioner))
    known += _sections({key: part for key, part in pipeline.header.recipe.items() if key != "metrics"})
    return [
        f"its training used {name}, whose CLIP score it has learned to please; score it with another CLIP"
        for network in networks
        if (name := _is_among(network, known))
    ]


def _is_among(network: FeaturesConfig | ScorerConfig, known: list[dict[str, Any]]) -> str:
    """A name of the network if a section means the same one."""
    if isinstance(network, ClipFeaturesConfig):
        own = (network.model, network.pretrained)
        same = any((section.get("model"), section.get("pretrained")) == own for section in known)
        return f"{network.model}/{network.pretrained}" if same else ""
    if isinstance(network, SmallClipFeaturesConfig):
        same = any(section.get("checkpoint") == network.checkpoint for section in known)
        return network.checkpoint if same else ""
    return ""


def _sections(value: Any) -> list[dict[str, Any]]:
    """Every mapping inside a value."""
    if isinstance(value, dict):
        return [value, *(found for part in value.values() for found in _sections(part))]
    return [found for part in value for found in _sections(part)] if isinstance(value, list) else []
