"""A stream of images through a judge: features, readings, confidence, and the extreme cases. Not a score yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from t2igan.errors import T2IGanError

Judge = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]
"""uint8 images [N, 3, R, R] -> (features [N, d], {attribute: logits [N, classes]})."""
Scorer = Callable[[Tensor, Sequence[str]], Tensor]
"""uint8 images and as many captions -> cosines [N]; of a network that never trained or guided the generator."""


@dataclass(frozen=True)
class Prompts:
    """What is asked of N images."""

    captions: tuple[str, ...]
    labels: Tensor  # [N, A] int64, -1 = does not apply
    columns: tuple[str, ...]  # names of the A attributes
    groups: tuple[str, ...]  # "kind/split" of each prompt, such as "single/held_out"

    def __len__(self) -> int:
        return len(self.captions)

    def rows(self, group: str) -> list[int]:
        """Indices of one group's prompts."""
        return [i for i, name in enumerate(self.groups) if name == group]

    def shuffled(self) -> Prompts:
        """Every image gets the next prompt of its group: agreement that is left is chance."""
        order = list(range(len(self)))
        for group in dict.fromkeys(self.groups):
            rows = self.rows(group)
            for row, following in zip(rows, rows[1:] + rows[:1], strict=True):
                order[row] = following
        captions = tuple(self.captions[i] for i in order)
        return Prompts(captions, self.labels[order], self.columns, self.groups)


@dataclass(frozen=True)
class Case:
    """One image and how sure the judge is of everything that its prompt asked for."""

    index: int
    confidence: float
    image: Tensor  # [3, R, R] uint8


class Extremes:
    """The images of lowest and highest confidence of a stream, so that the stream need not be kept."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.worst: list[Case] = []
        self.best: list[Case] = []

    def add(self, start: int, images: Tensor, confidence: Tensor) -> None:
        """Take in images number `start` and following."""
        cases = [
            Case(start + i, float(sure), image)
            for i, (sure, image) in enumerate(zip(confidence, images, strict=True))
        ]
        self.worst = self._keep(self.worst + cases, 1)
        self.best = self._keep(self.best + cases, -1)

    def _keep(self, cases: list[Case], sign: int) -> list[Case]:
        return sorted(cases, key=lambda case: (sign * case.confidence, case.index))[: self.keep]


@dataclass(frozen=True)
class Judged:
    """What came out for N images."""

    features: Tensor  # [N, d] float32
    predicted: Tensor  # [N, A] int64
    confidence: Tensor  # [N] in [0, 1]: the judge's probability of all asked classes together
    cosines: Tensor | None  # [N] with the own caption
    shuffled_cosines: Tensor | None  # [N] with the group's next caption


def judge_images(
    source: Iterable[Tensor], prompts: Prompts, *, judge: Judge, scorer: Scorer | None, extremes: Extremes
) -> Judged:
    """Run every image once through the judge and, if there is one, the scorer.

    Args:
        source: uint8 batches [n, 3, R, R], in the order of the prompts.
        prompts: what was asked.
        judge: reads attributes.
        scorer: compares images with captions.
        extremes: collects the worst and best images.

    Raises:
        T2IGanError: if the source has another number of images than there are prompts.
    """
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    cosines: list[tuple[Tensor, Tensor]] = []
    other_captions = prompts.shuffled().captions
    done = 0
    for images in source:
        span = slice(done, done + len(images))
        done += len(images)
        if done > len(prompts):
            break
        features, logits = judge(images)
        predicted = torch.stack([logits[name].argmax(dim=1) for name in prompts.columns], dim=1)
        confidence = _confidence(logits, prompts.labels[span], prompts.columns)
        extremes.add(span.start, images.cpu(), confidence)
        parts.append((features.cpu(), predicted.cpu(), confidence))
        if scorer is not None:
            cosines.append((scorer(images, prompts.captions[span]), scorer(images, other_captions[span])))
    if done != len(prompts):
        found = f"more than {len(prompts)}" if done > len(prompts) else str(done)
        raise T2IGanError(f"{len(prompts)} prompts, but {found} images came. Give one image for each prompt.")
    own, other = (torch.cat([pair[i].cpu() for pair in cosines]) if cosines else None for i in (0, 1))
    features, predicted, confidence = (torch.cat(part) for part in zip(*parts, strict=True))
    return Judged(features, predicted, confidence, own, other)


def _confidence(logits: dict[str, Tensor], labels: Tensor, columns: Sequence[str]) -> Tensor:
    """[N] product over asked attributes of the probability of the asked class."""
    total = torch.zeros(len(labels), dtype=torch.float64)
    for column, name in enumerate(columns):
        asked = labels[:, column]
        log_p = logits[name].cpu().to(torch.float64).log_softmax(dim=1)
        picked = log_p.gather(1, asked.clamp(min=0)[:, None])[:, 0]
        total += torch.where(asked >= 0, picked, 0.0)
    return total.exp()
