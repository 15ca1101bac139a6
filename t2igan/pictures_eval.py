"""`t2igan eval pictures`: a model against captioned pictures that it was not trained on, by an independent small CLIP.

Protocol `pictures-v1`. Not for comparing with published numbers: its features are those of the scorer that you name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from t2igan import images
from t2igan.clip_scorer import ClipScorer, load_scorer
from t2igan.data.config import ShardsConfig
from t2igan.data.loader import collate
from t2igan.data.shard_stream import ShardsStream
from t2igan.errors import DataError, UsageError
from t2igan.files import check_folder, write_atomic
from t2igan.metrics.distances import frechet_interval, kid_interval
from t2igan.metrics.intervals import bootstrap_mean, wilson
from t2igan.metrics.projection import standardised_pca
from t2igan.pipeline import TextToImage
from t2igan.types import Batch

MIN_N = 20
CHOICES = 16  # captions among which retrieval must find the picture's own; chance is 1 in 16
DIMS = 64
NUM_SHOWN = 16


def evaluate_pictures(
    model: str | None, data: str, scorer: str, *, n: int = 1000, psi: float = 1.0, seed: int = 0, out: Path
) -> dict[str, Any]:
    """Draw the captions of pictures, and compare the drawings with the captions and with the pictures.

    Args:
        model: checkpoint; None = the embedded model.
        data: shards of pictures that training did not see.
        scorer: checkpoint of a small CLIP that is not the model's text encoder.
        n: pictures at most.
        psi: truncation.
        seed: chooses the latents.
        out: folder for eval.json and pictures.png (each picture beside the drawing of its caption).

    Returns:
        {protocol, n, frechet, kid, generated, real, shuffled}: the distances of generated from real pictures in the
        scorer's features; and for each kind of pairs, clip_score and retrieval (the right one of 16 captions), all
        with 95 % intervals. `real` is the ceiling, `shuffled` (drawings with other captions) is chance.

    Raises:
        UsageError: if the scorer is the model's own text encoder.
        DataError: if there are fewer than 20 pictures.
    """
    check_folder(out)
    pipeline, judge = TextToImage.from_checkpoint(model), load_scorer(scorer)
    if judge.fingerprint == pipeline.conditioner.fingerprint:
        raise UsageError(
            f"{scorer}: is the model's own text encoder, which it learned to please. Name another small CLIP."
        )
    real = _pictures(data, n, pipeline.resolution)
    captions = real.captions
    drawn = pipeline.generate(captions, range(seed, seed + len(captions)), psi=psi)
    features, reference = judge.embed_images(drawn), judge.embed_images(real.images)
    project = standardised_pca(reference, dims=DIMS)
    others = captions[1:] + captions[:1]
    numbers = {
        "protocol": "pictures-v1",
        "n": len(captions),
        "psi": psi,
        "model_fingerprint": pipeline.fingerprint,
        "scorer": judge.fingerprint,
        "frechet": frechet_interval(project(features), project(reference)).as_dict(),
        "kid": kid_interval(project(features), project(reference), seed=seed),
        "generated": _agreement(judge, features, captions),
        "real": _agreement(judge, reference, captions),
        "shuffled": _agreement(judge, features, others),
    }
    write_atomic(out / "eval.json", (json.dumps(numbers, indent=2) + "\n").encode())
    _save_sheet(out / "pictures.png", real, drawn)
    return numbers


def _pictures(data: str, n: int, resolution: int) -> Batch:
    stream = ShardsStream(ShardsConfig(shards=data, shuffle=False), resolution=resolution, seed=0)
    count = min(n, len(stream))
    if count < MIN_N:
        raise DataError(f"{data}: {count} pictures are too few to measure anything; give {MIN_N} or more.")
    return collate([stream.sample(i) for i in range(count)])


def _agreement(judge: ClipScorer, features: Tensor, captions: Sequence[str]) -> dict[str, Any]:
    text = judge.embed_texts(captions)
    cosines = (F.normalize(features, dim=1) * text).sum(1)
    hits = [_hit(F.normalize(features[i], dim=0), text, i, captions) for i in range(len(captions))]
    return {
        "clip_score": bootstrap_mean(cosines.tolist()).as_dict(),
        "retrieval": wilson(sum(hits), len(hits)).as_dict(),
    }


def _hit(feature: Tensor, text: Tensor, index: int, captions: Sequence[str]) -> bool:
    """Whether the own caption fits better than those of the next 15 pictures; equal captions are left out."""
    following = [(index + step) % len(captions) for step in range(1, CHOICES)]
    rivals = [i for i in following if captions[i] != captions[index]]
    scores = text[torch.tensor([index, *rivals])] @ feature
    return bool(scores.argmax() == 0)


def _save_sheet(path: Path, real: Batch, drawn: Tensor) -> None:
    count = min(NUM_SHOWN, len(drawn))
    tiles = torch.stack([real.images[:count], drawn[:count]], dim=1).flatten(0, 1)
    words = [word for caption in real.captions[:count] for word in (f"real: {caption}", "generated")]
    images.save_png(path, images.grid(tiles, 8, captions=words, scale=max(1, 96 // tiles.shape[-1])), {})
