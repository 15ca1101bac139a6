"""The text side of a small CLIP that t2igan trained: open_clip's text transformer at a small size.

Not the trainer: recipe `shapes_clip` trains both towers, and this module only reads the text half.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from t2igan import checkpoint
from t2igan.decode import decode_json
from t2igan.text.blocks import block_units
from t2igan.text.config import SmallClipTextConfig, TextTowerConfig
from t2igan.text.tokenizer import CutTokenizer
from t2igan.text.tokens import encode_with_tokens
from t2igan.types import Condition


class TextTower(nn.Module):
    """Token ids [N, L] -> unnormalised embedding [N, embed_dim]: open_clip's TextTransformer, pooled at the end token."""

    def __init__(self, config: TextTowerConfig, vocab_size: int) -> None:
        super().__init__()
        from open_clip.transformer import TextTransformer  # seconds to import, and only this network needs it

        self.transformer = TextTransformer(
            context_length=config.context_length,
            vocab_size=vocab_size,
            width=config.width,
            heads=config.heads,
            layers=config.layers,
            output_dim=config.embed_dim,
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Pooled at the end token, which has the largest id."""
        # torch's fused CPU attention is slow backwards at this size: 312 ms a step against 166 ms (256 captions, bf16).
        # The choice is the process's, not the thread's, so a frozen tower, which several threads may call, leaves it alone.
        is_slow = torch.is_grad_enabled() and ids.device.type == "cpu"
        with sdpa_kernel(SDPBackend.MATH) if is_slow else nullcontext():
            pooled = self.transformer(ids)
        assert isinstance(pooled, Tensor)
        return pooled

    def shard_units(self) -> list[list[nn.Module]]:
        """Modules whose weights are gathered together, see t2igan.sharding."""
        return block_units(self)


def build_tower(config: TextTowerConfig) -> tuple[TextTower, CutTokenizer]:
    """A text tower with random weights, and the tokenizer it reads."""
    tokenizer = CutTokenizer(num_merges=config.num_merges, context_length=config.context_length)
    return TextTower(config, tokenizer.vocab_size), tokenizer


class SmallClipText:
    """Frozen text tower as a conditioner: captions -> Condition(embed [N, D], unit length)."""

    def __init__(
        self,
        config: SmallClipTextConfig,
        carried: Mapping[str, Tensor],
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        tower_config, tensors = (config.tower, carried) if config.tower else _read(config.checkpoint)
        self._is_public = config.tower is None and config.checkpoint.startswith(checkpoint.EMBEDDED)
        self.carrying = config.model_copy(update={"tower": tower_config})
        self.config = config if self._is_public else self.carrying
        self._tower, self._tokenizer = build_tower(tower_config)
        checkpoint.load_strictly(self._tower, tensors, source=f"text tower of {config.checkpoint}")
        self._tower.eval().requires_grad_(False).to(device)
        self._device = device
        self.dim = tower_config.embed_dim
        self.context_length = tower_config.context_length
        self.fingerprint = f"small_clip-{checkpoint.fingerprint(tensors)}"

    @torch.no_grad()
    def __call__(self, captions: Sequence[str]) -> Condition:
        """Encode captions; those beyond the context are cut, see `cut`."""
        ids = self.token_ids(captions)
        if self.config.tokens:
            return encode_with_tokens(self._tower.transformer, ids, self._embed)
        return Condition(self._embed(ids))

    def _embed(self, ids: Tensor) -> Tensor:
        return F.normalize(self._tower(ids).float(), dim=1)

    def token_ids(self, captions: Sequence[str]) -> Tensor:
        """N captions -> [N, L] int64."""
        return self._tokenizer(captions).to(self._device)

    def tower(self) -> TextTower:
        """A copy of the text tower that can be trained."""
        return copy.deepcopy(self._tower).requires_grad_(True)

    def cut(self, caption: str) -> str:
        """The end of `caption` that does not fit the context."""
        return self._tokenizer.cut(caption)

    def weights(self) -> dict[str, Tensor]:
        """The tower itself, unless it ships inside the package: nobody else could fetch it."""
        return {} if self._is_public else dict(self._tower.state_dict())


def _read(name: str) -> tuple[TextTowerConfig, dict[str, Tensor]]:
    header, tensors = checkpoint.read(name, kind="clip")
    config = decode_json(json.dumps(header.config["text"]), TextTowerConfig, source=name)
    return config, checkpoint.part(tensors, "E.text")
