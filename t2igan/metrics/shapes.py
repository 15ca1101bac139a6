"""Protocol `shapes-v1`: how well images of the shapes grammar match their prompts and the real distribution.

Not the drawing of prompts and real images (t2igan/shapes_eval.py). Two controls are computed in the same call: real
renderings of the same scenes (the ceiling) and the same images against shuffled prompts (chance).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from t2igan.metrics.accuracy import prompt_accuracy
from t2igan.metrics.distances import frechet_interval, kid_interval
from t2igan.metrics.intervals import bootstrap_mean
from t2igan.metrics.judging import Case, Extremes, Judge, Judged, Prompts, Scorer, judge_images
from t2igan.metrics.projection import standardised_pca

PROTOCOL = "shapes-v1"
QUESTIONS = {  # kind of scene -> question -> label columns that must all be right
    "single": {
        "colour": ("colour_a",),
        "shape": ("shape_a",),
        "size": ("size_a",),
        "position": ("layout",),
        "background": ("background",),
    },
    "pair": {
        "colours": ("colour_a", "colour_b"),
        "shapes": ("shape_a", "shape_b"),
        "sizes": ("size_a", "size_b"),
        "relation": ("layout",),
        "background": ("background",),
    },
}
DIMS = 64  # of the standardised judge features that the distances see


@dataclass(frozen=True)
class ShapesResult:
    """`numbers` is JSON as `evaluate_shapes` describes; the rest is for looking at."""

    numbers: dict[str, Any]
    prompts: Prompts
    predicted: Tensor  # [N, A] the judge's readings
    worst: list[Case]
    best: list[Case]


def evaluate_shapes(
    source: Iterable[Tensor],
    *,
    prompts: Prompts,
    renderings: Iterable[Tensor],
    reference: Iterable[Tensor],
    judge: Judge,
    scorer: Scorer | None = None,
    seed: int = 0,
    keep: int = 12,
) -> ShapesResult:
    """Judge images, the ceiling and chance.

    Args:
        source: uint8 batches [n, 3, R, R] to be judged, in the order of the prompts.
        prompts: captions, labels and groups `single|pair/seen|held_out`.
        renderings: real images of the very same scenes, in the same order.
        reference: real images of other scenes of the same distribution, for the distances.
        judge: a classifier trained on real renderings only.
        scorer: image-caption cosine by a network that neither trained nor guided the generator.
        seed: of the bootstrap and of KID's subsets.
        keep: how many worst and best images to keep.

    Returns:
        `numbers`, where {..} = {value, low, high, n} with a 95 % interval:
        protocol: "shapes-v1".
        n, reference_n: number of judged and of reference images.
        accuracy: {single|pair: {held_out|seen: {question: {..}}}}, Wilson; questions of QUESTIONS and "all". For pairs
            a question is right when it is right for both objects.
        frechet: {..}, on DIMS principal components of judge features standardised by the reference; jackknife.
        kid: {..}, std, subset_size; the same features, 50 subsets of 500 images or half of all.
        clip_score: {..} or null; bootstrap.
        controls: {real: {accuracy, frechet, kid, clip_score}, shuffled: {accuracy, clip_score}}.

    Raises:
        T2IGanError: if a stream has another number of images than there are prompts, or fewer than four.
    """
    extremes, unused = Extremes(keep), Extremes(0)
    gen = judge_images(source, prompts, judge=judge, scorer=scorer, extremes=extremes)
    real = judge_images(renderings, prompts, judge=judge, scorer=scorer, extremes=unused)
    others = torch.cat([judge(images)[0].cpu() for images in reference])
    shuffled = {
        "accuracy": accuracy_by_group(gen.predicted, prompts.shuffled()),
        "clip_score": _mean_cosine(gen.shuffled_cosines, seed),
    }
    numbers = {
        "protocol": PROTOCOL,
        "n": len(prompts),
        "reference_n": len(others),
        **_scores(gen, prompts, others, seed=seed),
        "controls": {"real": _scores(real, prompts, others, seed=seed), "shuffled": shuffled},
    }
    return ShapesResult(numbers, prompts, gen.predicted, extremes.worst, extremes.best)


def accuracy_by_group(predicted: Tensor, prompts: Prompts) -> dict[str, Any]:
    """{kind: {split: {question: {value, low, high, n}}}} over the prompts' groups."""
    found: dict[str, Any] = {}
    for group in dict.fromkeys(prompts.groups):
        kind, split = group.split("/")
        rows = prompts.rows(group)
        answers = prompt_accuracy(
            predicted[rows], prompts.labels[rows], columns=prompts.columns, questions=QUESTIONS[kind]
        )
        found.setdefault(kind, {})[split] = {name: answer.as_dict() for name, answer in answers.items()}
    return found


def _scores(judged: Judged, prompts: Prompts, others: Tensor, *, seed: int) -> dict[str, Any]:
    project = standardised_pca(others, dims=DIMS)
    features, reference = project(judged.features), project(others)
    return {
        "accuracy": accuracy_by_group(judged.predicted, prompts),
        "frechet": frechet_interval(features, reference).as_dict(),
        "kid": kid_interval(features, reference, seed=seed),
        "clip_score": _mean_cosine(judged.cosines, seed),
    }


def _mean_cosine(values: Tensor | None, seed: int) -> dict[str, Any] | None:
    return None if values is None else bootstrap_mean(values.tolist(), seed=seed).as_dict()
