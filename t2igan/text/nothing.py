"""The conditioner of networks that read no text: conditions with as many rows as captions, and nothing in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from t2igan.text.config import NoTextConfig
from t2igan.types import Condition


class NoText:
    """Captions -> embeddings of length 0."""

    dim = 0
    fingerprint = "none"

    def __init__(
        self, config: NoTextConfig, carried: Mapping[str, Tensor], *, device: str | torch.device = "cpu"
    ) -> None:
        del carried
        self.config = config
        self._device = device

    def __call__(self, captions: Sequence[str]) -> Condition:
        """Condition(embed [N, 0])."""
        return Condition(embed=torch.zeros(len(captions), 0, device=self._device))

    def cut(self, caption: str) -> str:
        """Nothing, as nothing is read."""
        del caption
        return ""

    def weights(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}
