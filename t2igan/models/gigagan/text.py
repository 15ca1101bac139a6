"""GigaGAN's learned text layers: frozen tokens -> t_local for cross-attention, t_global for styles. Not the text encoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.gigagan.config import TextLayersConfig
from t2igan.ops.layers import Dense
from t2igan.types import Condition


@dataclass(frozen=True)
class Text:
    """A prompt as GigaGAN's networks read it."""

    tokens: Tensor  # [N, L, width], t_local
    mask: Tensor  # [N, L] bool: True where a token is t_local, neither padding nor the end token
    summary: Tensor  # [N, width], t_global: the end token

    def __len__(self) -> int:
        return len(self.summary)

    def map(self, rows: slice | Tensor) -> Text:
        """Take rows."""
        return Text(self.tokens[rows], self.mask[rows], self.summary[rows])


class TextLayers(nn.Module):
    """Transformer T on frozen tokens, after a linear map to its width; attends to real tokens only.

    Padding is masked, where the paper lets T and the cross-attention see it. With c_dim 0 no text is read, and t_global is
    a learned constant.

    Source: Kang et al. 2023, section 3.2.
    """

    def __init__(self, config: TextLayersConfig, c_dim: int) -> None:
        super().__init__()
        self.c_dim = c_dim
        if c_dim == 0:
            self.constant = nn.Parameter(torch.randn(config.width))
            return
        self.input = Dense(c_dim, config.width)
        self.layers = nn.ModuleList(TextLayer(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, c: Condition | Text) -> Text:
        """A Condition of N rows with `tokens` [N, L, c_dim] and `mask`; a Text goes through as it is."""
        if isinstance(c, Text):
            return c
        if self.c_dim == 0:
            nothing = self.constant.new_zeros(len(c), 0, len(self.constant))
            return Text(nothing, nothing[..., 0].bool(), self.constant.expand(len(c), -1).float())
        assert c.tokens is not None, "this network reads text tokens; set conditioner.tokens in the recipe"
        assert c.mask is not None
        assert c.tokens.shape[2] == self.c_dim, f"this network needs [N, L, {self.c_dim}] text tokens"
        x = self.input(c.tokens.to(self.input.weight.dtype))
        for layer in self.layers:
            x = layer(x, c.mask)
        x = self.norm(x)
        end = c.mask.sum(dim=1) - 1  # [N]
        is_end = torch.arange(x.shape[1], device=x.device) == end[:, None]
        summary = x[torch.arange(len(x), device=x.device), end]
        return Text(x, c.mask & ~is_end, summary.float())


class TextLayer(nn.Module):
    """Pre-norm self-attention and feed-forward of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = Dense(width, 3 * width), Dense(width, width)
        self.expand, self.shrink = Dense(width, 4 * width), Dense(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and [N, L] bool -> [N, L, width]."""
        x = x + self._attend(self.norm1(x), mask)
        return x + self.shrink(F.gelu(self.expand(self.norm2(x))))

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=2))
        logits = q @ k.transpose(2, 3) * q.shape[3] ** -0.5  # [N, heads, L, L]
        weights = logits.masked_fill(~mask[:, None, None], float("-inf")).softmax(dim=3)
        return self.out((weights.to(v.dtype) @ v).transpose(1, 2).flatten(2))
