"""A frozen open_clip text tower as a conditioner: any model name, pretrained tag or local weights file.

Not a trainer, and not the image tower: losses and metrics build that one themselves.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2igan import checkpoint, weights
from t2igan.text.blocks import block_units
from t2igan.text.config import ClipTextConfig
from t2igan.text.tokens import encode_with_tokens
from t2igan.types import Condition


class ClipText:
    """Captions -> Condition(embed [N, D], unit length), as StyleGAN-T conditions on ViT-L/14."""

    def __init__(
        self, config: ClipTextConfig, carried: Mapping[str, Tensor], *, device: str | torch.device = "cpu"
    ) -> None:
        self.config = self.carrying = config
        pretrained = None if carried else config.pretrained  # a tower that was trained on needs no download
        gelu = weights.quick_gelu_of(config.model, config.pretrained, config.quick_gelu)
        self._is_quick = gelu
        model = weights.open_clip_model(config.model, pretrained=pretrained, quick_gelu=gelu)
        model.visual = None  # the image tower is most of the memory, and nobody asks it here
        if carried:
            checkpoint.load_strictly(ClipTower(model), carried, source=f"text tower of {config.model}")
        self._model = model.eval().requires_grad_(False).to(device)
        self._tokenizer = weights.open_clip_tokenizer(config.model)
        self._device = device
        self.context_length = int(self._tokenizer.context_length)
        self.dim = self(["a"]).embed.shape[1]  # pyright: ignore[reportOptionalMemberAccess]

    @cached_property
    def fingerprint(self) -> str:
        """Which model and weights; hashing them takes a second, and training never asks."""
        gelu = "-quickgelu" if self._is_quick else ""  # the same weights give other embeddings
        return f"clip_text-{self.config.model}{gelu}-{checkpoint.fingerprint(self._model.state_dict())}"

    @torch.no_grad()
    def __call__(self, captions: Sequence[str]) -> Condition:
        """Encode captions; those beyond the context are cut, see `cut`."""
        ids = self.token_ids(captions)
        return (
            encode_with_tokens(self._model, ids, self._embed, layer=self.config.token_layer)
            if self.config.tokens
            else Condition(self._embed(ids))
        )

    def _embed(self, ids: Tensor) -> Tensor:
        return F.normalize(self._model.encode_text(ids).float(), dim=1)

    def token_ids(self, captions: Sequence[str]) -> Tensor:
        """N captions -> [N, L] int64."""
        return self._tokenizer(list(captions)).to(self._device)

    def tower(self) -> ClipTower:
        """A copy of the text tower that can be trained."""
        return ClipTower(copy.deepcopy(self._model).requires_grad_(True))

    def cut(self, caption: str) -> str:
        """The end of `caption` that does not fit the context."""
        ids = self._tokenizer.encode(caption)
        return self._tokenizer.decode(ids[self.context_length - 2 :]).strip()

    def weights(self) -> dict[str, Tensor]:
        """Nothing: the header names them."""
        return {}


class ClipTower(nn.Module):
    """The text half of an open_clip model: ids [N, L] -> [N, D], not normalised."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        for name in ("logit_scale", "logit_bias"):  # the contrastive loss's, which encoding does not use
            if isinstance(getattr(model, name, None), nn.Parameter):
                getattr(model, name).requires_grad_(False)

    def forward(self, ids: Tensor) -> Tensor:
        """[N, L] int64 -> [N, D]."""
        return self.model.encode_text(ids)

    def shard_units(self) -> list[list[nn.Module]]:
        """Modules whose weights are gathered together, see t2igan.sharding."""
        return block_units(self)
