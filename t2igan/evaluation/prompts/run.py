"""A model, pairs of captions and scorers -> accuracies with their controls, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from t2igan import __version__
from t2igan.clip_scorer import build_scorer
from t2igan.errors import DataError, UsageError
from t2igan.evaluation.choice import offline_advice
from t2igan.evaluation.model import own_eyes
from t2igan.evaluation.prompts.accuracy import CHANCE, accuracy, draws_of, shuffled
from t2igan.evaluation.prompts.pairs import GENERAL, Pair, both_ways, read_pairs
from t2igan.evaluation.prompts.scorers import ClipPairScorer, JudgePairScorer, PairScorer, scenes_of
from t2igan.evaluation.prompts.shapes import shapes_pairs
from t2igan.evaluation.prompts.vqa import VqaPairScorer
from t2igan.evaluation.sources.rendered import shapes_of
from t2igan.features.judge import load_judge
from t2igan.metrics.config import ClipFeaturesConfig, ScorerConfig, SmallClipFeaturesConfig
from t2igan.pipeline import DEFAULT_MODEL, TextToImage
from t2igan.sampling import choose_device
from t2igan.shapes_protocol import renderings

OnProgress = Callable[[int, int], None]  # pictures done, pictures to do
NOTES = (
    "every pair is asked both ways round, so that a scorer which ignores pictures is right half the time",
    "pictures of one caption with several latents are not independent; the intervals take them as if they were",
)


def evaluate_prompts(
    model: TextToImage,
    pairs: Sequence[Pair],
    scorers: Sequence[PairScorer],
    *,
    seeds: int = 1,
    seed: int = 0,
    psi: float = 1.0,
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Draw both captions of every pair and ask the scorers which of the two each picture shows.

    Args:
        model: draws.
        pairs: two or more of each category.
        scorers: judge.
        seeds: latents a caption.
        seed: of the first latent.
        psi: truncation.
        batch: pictures at once.
        on_progress: told after every batch.

    Returns:
        {"accuracy": scorer -> category -> interval, "controls": {"shuffled": the same of pictures with the next pair,
        "real": of renderings, or None where captions are not of shapes}, "chance", ...}.

    Raises:
        UsageError: for counts that cannot be right.
        DataError: if a category has one pair only.
    """
    if seeds < 1 or seed < 0:
        raise UsageError(f"--n {seeds}, --seed {seed}: at least one latent a caption, and a seed from 0.")
    _check_categories(pairs)
    asked = both_ways(pairs)
    several = asked * seeds

    def draw(captions: Sequence[str], numbers: Sequence[int]) -> Tensor:
        return model.generate(captions, numbers, psi=psi, batch_size=batch)

    def images() -> Iterator[Tensor]:
        done = 0
        for made in draws_of(draw, asked, seeds=seeds, seed=seed, batch=batch):
            yield made
            done += len(made)
            if on_progress:
                on_progress(done, len(several))

    together = [*scorers, *(_Shuffled(scorer, several) for scorer in scorers)]
    found = accuracy(images(), several, together)
    scenes = scenes_of(asked)
    real = None
    if scenes is not None:
        real = accuracy(renderings({"": scenes}, model.resolution, batch_size=batch), asked, scorers)
    return {
        "accuracy": {scorer.name: found[scorer.name] for scorer in scorers},
        "controls": {"real": real, "shuffled": {s.name: found[_Shuffled.named(s)] for s in scorers}},
        "chance": CHANCE,
        "pairs": len(pairs),
        "pictures": len(several),
        "latents_per_caption": seeds,
        "seed": seed,
        "psi": psi,
        "model_fingerprint": model.fingerprint,
        "notes": list(NOTES),
        "t2igan": __version__,
    }


class _Shuffled:
    """A scorer that is asked about other pairs than the pictures were drawn for; the pictures come in order, once."""

    def __init__(self, scorer: PairScorer, pairs: Sequence[Pair]) -> None:
        self._scorer, self._pairs, self._done = scorer, shuffled(pairs), 0
        self.name = self.named(scorer)

    @staticmethod
    def named(scorer: PairScorer) -> str:
        return f"{scorer.name}, shuffled"

    def __call__(self, images: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        asked = self._pairs[self._done : self._done + len(images)]
        self._done += len(images)
        return self._scorer(images, asked)


def _check_categories(pairs: Sequence[Pair]) -> None:
    alone = [name for name, count in Counter(pair.category for pair in pairs).items() if count < 2]
    if alone:
        raise DataError(
            f"category {alone[0]!r}: one pair; its control needs two or more. Add pairs, or leave it out."
        )


def prompts_of_model(
    model: str | None = None,
    prompts: Path | None = None,
    *,
    clip: ScorerConfig | None = None,
    vqa: str | None = None,
    per_category: int = 50,
    seeds: int = 1,
    seed: int = 0,
    psi: float = 1.0,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """`evaluate_prompts` of a checkpoint.

    Args:
        model: checkpoint, or embedded:NAME; None = the embedded model.
        prompts: JSONL file of pairs; None = pairs of shapes for a model of shapes, else the general set.
        clip: None = the embedded scorer for a model of shapes, else ViT-g-14/laion2b_s12b_b42k.
        vqa: a model of the package t2v-metrics, whose VQAScore takes the CLIP's place.
        per_category: pairs of shapes a category.
        seeds: latents a caption.
        seed: chooses scenes and latents.
        psi: truncation.
        device: cpu, cuda, mps or auto.
        on_progress: told after every batch.

    Returns:
        What `evaluate_prompts` gives, with "model" and "prompts". Pairs of shapes are judged by a judge of attributes too.

    Raises:
        UsageError: if the CLIP is the model's own text encoder, or a count cannot be right.
        CheckpointError: if the model cannot be read.
        DataError: if the file of pairs cannot be.
        WeightsError: if the CLIP, or the VQA model or its package, is not on this machine.
    """
    if per_category < 2:
        raise UsageError(f"--pairs {per_category}: two or more of each category.")
    drawn = TextToImage.from_checkpoint(model, device=choose_device(device))
    is_shapes = shapes_of(drawn.header) is not None
    asked = clip or (SmallClipFeaturesConfig() if is_shapes else ClipFeaturesConfig())
    scorers: list[PairScorer] = [
        _clip_scorer(asked, drawn) if vqa is None else VqaPairScorer(vqa, device=drawn.device)
    ]
    if prompts is None and is_shapes:
        pairs, source = shapes_pairs(per_category, seed=seed), "shapes"
        scorers.append(JudgePairScorer(load_judge()))
    else:
        pairs, source = read_pairs(prompts or GENERAL), str(prompts or "general")
    found = evaluate_prompts(drawn, pairs, scorers, seeds=seeds, seed=seed, psi=psi, on_progress=on_progress)
    found["notes"] += own_eyes(drawn, [asked] if vqa is None else [])
    return {"model": model or DEFAULT_MODEL, "prompts": source, **found}


def _clip_scorer(asked: ScorerConfig, model: TextToImage) -> ClipPairScorer:
    with offline_advice():
        scorer = build_scorer(asked)
    if scorer.name == model.conditioner.fingerprint:
        raise UsageError(f"--scorer: {scorer.name} is the model's own text encoder, which it learned to please. "
                         "Give a separately trained CLIP.")  # fmt: skip
    scorer.to(model.device)
    return ClipPairScorer(scorer)
