"""A weightless text encoder: every word is a fixed random direction. For tests and smoke runs, not for training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from t2igan import rng
from t2igan.text.config import HashingConfig
from t2igan.types import Condition

CONTEXT_WORDS, CONTEXT_TOKENS = 64, 32


class Hashing:
    """Captions -> unit-length sums of word directions, each word at its place rolled by its position."""

    def __init__(
        self, config: HashingConfig, carried: Mapping[str, Tensor], *, device: str | torch.device = "cpu"
    ) -> None:
        del carried  # nothing to carry: the seed is the word itself
        self.config = config
        self._device = device
        self.dim = config.dim
        self.fingerprint = f"hashing-{config.dim}"
        self._directions: dict[str, Tensor] = {}

    def __call__(self, captions: Sequence[str]) -> Condition:
        """Condition(embed [N, dim]), unit length; an empty caption gives the direction of the empty word."""
        embed = F.normalize(torch.stack([self._embed(c) for c in captions]), dim=1)
        if not self.config.tokens:
            return Condition(embed=embed.to(self._device))
        rows = [self._tokens(caption) for caption in captions]
        tokens = torch.stack([F.pad(row, (0, 0, 0, CONTEXT_TOKENS - len(row))) for row in rows])
        mask = torch.arange(CONTEXT_TOKENS) < torch.tensor([len(row) for row in rows])[:, None]
        return Condition(embed=embed, tokens=tokens, mask=mask).to(self._device)

    def _tokens(self, caption: str) -> Tensor:
        """[words + 1, dim]: the direction of each of the first words, and the empty word's as the end token."""
        words = _words(caption)[: CONTEXT_TOKENS - 1]
        return torch.stack([self._direction(word) for word in [*words, ""]])

    def _embed(self, caption: str) -> Tensor:
        words = _words(caption)[:CONTEXT_WORDS] or [""]
        # rolled by position, so that word order matters
        return sum((self._direction(w).roll(i) for i, w in enumerate(words)), torch.zeros(self.dim))

    def _direction(self, word: str) -> Tensor:
        if word not in self._directions:
            self._directions[word] = torch.randn(self.dim, generator=rng.generator("hashing", word))
        return self._directions[word]

    def cut(self, caption: str) -> str:
        """The words beyond the context of 64."""
        return " ".join(_words(caption)[CONTEXT_WORDS:])

    def weights(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}


def _words(caption: str) -> list[str]:
    return re.findall(r"\w+", caption.lower())
