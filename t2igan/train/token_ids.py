"""The conditioner of an encoder's own training: captions -> token ids, as its text tower is what trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from t2igan.types import Condition


class TokenIds:
    """Captions -> Condition(ids), with the tokenizer of the network that trains."""

    dim = 0
    config: Any = None
    fingerprint = "token_ids"

    def __init__(self, tokenizer: Callable[[Sequence[str]], Tensor] | None, device: torch.device) -> None:
        self._tokenizer = tokenizer
        self._device = device

    def __call__(self, captions: Sequence[str]) -> Condition:
        """Condition(ids [N, L] int64), or an empty one where the network reads no text."""
        if self._tokenizer is None:
            return Condition()
        return Condition(ids=self._tokenizer(captions).to(self._device))

    def cut(self, caption: str) -> str:
        """Nothing is reported: training captions are cut silently."""
        del caption
        return ""

    def weights(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}
