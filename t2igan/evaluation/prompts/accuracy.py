"""Pictures and pairs of captions -> the share of right choices per category, with controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from t2igan.evaluation.prompts.pairs import Pair
from t2igan.evaluation.prompts.scorers import PairScorer
from t2igan.metrics.intervals import wilson

CHANCE = 0.5
ALL = "all"


def accuracy(
    images: Iterable[Tensor], pairs: Sequence[Pair], scorers: Sequence[PairScorer]
) -> dict[str, Any]:
    """How often pictures agree more with their caption than with the swapped one.

    Args:
        images: uint8 batches [n, 3, H, W], in the order of the pairs.
        pairs: one a picture.
        scorers: each judges every picture.

    Returns:
        scorer's name -> category, and `all` -> {"value", "low", "high", "n"}, Wilson's 95 % interval. A tie is wrong.
    """
    right: dict[str, list[Tensor]] = {scorer.name: [] for scorer in scorers}
    done = 0
    for batch in images:
        asked = pairs[done : done + len(batch)]
        done += len(batch)
        for scorer in scorers:
            true, swapped = scorer(batch, asked)
            right[scorer.name].append(true > swapped)
    assert done == len(pairs), "one picture a pair"
    return {name: _by_category(torch.cat(parts), pairs) for name, parts in right.items()}


def _by_category(right: Tensor, pairs: Sequence[Pair]) -> dict[str, Any]:
    rows = {name: [i for i, p in enumerate(pairs) if p.category == name] for name in categories(pairs)}
    rows[ALL] = list(range(len(pairs)))
    return {name: wilson(int(right[found].sum()), len(found)).as_dict() for name, found in rows.items()}


def categories(pairs: Sequence[Pair]) -> list[str]:
    """In their order."""
    return list(dict.fromkeys(pair.category for pair in pairs))


def shuffled(pairs: Sequence[Pair]) -> list[Pair]:
    """Every picture gets the next pair of its category: agreement that is left is chance.

    Args:
        pairs: of `both_ways`, so that neighbours are each other's reverse. Both get the same one, this or that way round
            in turn: else two dogs would agree with any caption of two.
    """
    order = list(pairs)
    for name in categories(pairs):
        rows = [i for i, pair in enumerate(pairs) if pair.category == name]
        for position, row in enumerate(rows):
            number = position // 2
            order[row] = pairs[rows[(2 * (number + 1) + number % 2) % len(rows)]]
    return order


def draws_of(
    draw: Callable[[Sequence[str], Sequence[int]], Tensor],
    pairs: Sequence[Pair],
    *,
    seeds: int,
    seed: int,
    batch: int,
) -> Iterable[Tensor]:
    """Pictures of every caption with every latent: for each of `seeds`, all pairs in turn.

    Args:
        draw: captions and seeds -> uint8 [n, 3, R, R].
        pairs: whose captions are drawn.
        seeds: latents a caption.
        seed: of the first latent.
        batch: captions a call.
    """
    captions = [pair.caption for pair in pairs] * seeds
    for start in range(0, len(captions), batch):
        part = captions[start : start + batch]
        yield draw(part, range(seed + start, seed + start + len(part)))
