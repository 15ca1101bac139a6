"""Captions -> rows, each distinct caption encoded once, in batches. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from t2igan.curate.embed.sidecar import TOKEN_OFFSETS, TOKENS
from t2igan.curate.embed.texts import Captions
from t2igan.data.sidecar import EMBED, OFFSETS
from t2igan.errors import DataError
from t2igan.types import Condition, Conditioner


def encode(
    conditioner: Conditioner, texts: Sequence[Captions], *, batch: int, has_tokens: bool
) -> dict[str, np.ndarray]:
    """The tensors of a sidecar.

    Args:
        conditioner: the text encoder.
        texts: captions of each sample; a sample without one has no rows.
        batch: captions that the encoder sees at once; its last batch may be smaller.
        has_tokens: also keep the features of every token, those of padding left out.

    Returns:
        `embed` [rows, D] float16, `offsets` [samples + 1] int64; with tokens also `tokens` [total, W] float16 and
        `token_offsets` [rows + 1] int64.

    Raises:
        DataError: if an embedding is too large for float16, or no number.
    """
    distinct = list(dict.fromkeys(chain.from_iterable(texts)))
    number = {caption: i for i, caption in enumerate(distinct)}
    rows = np.array([number[caption] for caption in chain.from_iterable(texts)], dtype=np.int64)
    conditions = list(_conditions(conditioner, distinct, batch))
    embeds = [_half(c.embed) for c in conditions if c.embed is not None]
    embed = np.concatenate([np.zeros((0, conditioner.dim), np.float16), *embeds])
    found = {EMBED: embed[rows], OFFSETS: _offsets([len(captions) for captions in texts])}
    return found | _tokens(conditions, rows) if has_tokens else found


def _conditions(conditioner: Conditioner, captions: Sequence[str], batch: int) -> Iterator[Condition]:
    for start in range(0, len(captions), batch):
        yield conditioner(captions[start : start + batch]).to("cpu")


def _half(values: Tensor) -> np.ndarray:
    half = values.to(torch.float16)
    if not bool(half.isfinite().all()):
        raise DataError(
            "a text embedding is too large for float16, or not a number. Check the weights of the encoder."
        )
    return half.numpy()


def _tokens(conditions: Sequence[Condition], rows: np.ndarray) -> dict[str, np.ndarray]:
    """The features of the real tokens of each row, one row after the other."""
    distinct = [features for condition in conditions for features in _real(condition)]
    chosen = [distinct[row] for row in rows]
    width = distinct[0].shape[1] if distinct else 0
    tokens = np.concatenate([np.zeros((0, width), np.float16), *chosen])
    return {TOKENS: tokens, TOKEN_OFFSETS: _offsets([len(features) for features in chosen])}


def _real(condition: Condition) -> list[np.ndarray]:
    """[L_i, W] of each caption, padding left out."""
    assert condition.tokens is not None
    if condition.mask is None:
        return [_half(features) for features in condition.tokens]
    return [_half(f[mask]) for f, mask in zip(condition.tokens, condition.mask, strict=True)]


def _offsets(counts: Sequence[int]) -> np.ndarray:
    return np.cumsum([0, *counts], dtype=np.int64)
