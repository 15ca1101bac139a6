"""Which of two captions a picture agrees with, by networks behind one small protocol. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from t2igan.clip_scorer import Scorer
from t2igan.data.grammar import CLASS_NAMES, Scene, labels
from t2igan.evaluation.prompts.pairs import Pair
from t2igan.features.judge import Judge
from t2igan.metrics.clip_score import cosines


class PairScorer(Protocol):
    """Says how well pictures agree with both captions of their pairs. A VQA model's probability of "yes" is one too.

    Attributes:
        name: network and weights.
    """

    name: str

    def __call__(self, images: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """uint8 images [N, 3, H, W] and N pairs -> scores [N] of the captions, scores [N] of the swapped ones."""
        ...


class ClipPairScorer:
    """Cosines by a CLIP that is not the model's text encoder."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer, self.name = scorer, scorer.name

    def __call__(self, images: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Cosine of each image with both captions."""
        embeds = self._scorer.embed_images(images).cpu()
        texts = ([pair.caption for pair in pairs], [pair.swapped for pair in pairs])
        true, swapped = (cosines(embeds, self._scorer.embed_texts(t).cpu()) for t in texts)
        return true, swapped


class JudgePairScorer:
    """Log-probabilities of the attributes in which two scenes of shapes differ, as a judge reads them."""

    def __init__(self, judge: Judge) -> None:
        self._judge, self.name = judge, judge.name

    def __call__(self, images: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Summed over those attributes."""
        log_p = {name: x.cpu().double().log_softmax(dim=1) for name, x in self._judge(images)[1].items()}
        wanted = [differing_labels(pair) for pair in pairs]
        found = torch.tensor(
            [
                [sum(float(log_p[name][i, both[side]]) for name, both in row.items()) for side in (0, 1)]
                for i, row in enumerate(wanted)
            ],
            dtype=torch.float64,
        ).reshape(-1, 2)
        return found[:, 0], found[:, 1]


def differing_labels(pair: Pair) -> dict[str, tuple[int, int]]:
    """Attribute -> its class in the scene and in the swapped one, where both have it and they differ."""
    assert pair.scene is not None
    assert pair.swapped_scene is not None
    true, swapped = labels(pair.scene), labels(pair.swapped_scene)
    return {
        name: (a, b)
        for name, a, b in zip(CLASS_NAMES, true, swapped, strict=True)
        if a != b and min(a, b) >= 0
    }


def scenes_of(pairs: Sequence[Pair]) -> list[Scene] | None:
    """What the captions say, if all are of shapes."""
    scenes = [pair.scene for pair in pairs if pair.scene is not None and pair.swapped_scene is not None]
    return scenes if len(scenes) == len(pairs) else None
