"""The learned text layers of gigagan-pytorch: frozen CLIP tokens -> what the generator reads. Not: CLIP."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.gigagan.text import Text
from t2igan.models.gigagan_pytorch.attention import FeedForward, TextAttention, unit_norm
from t2igan.models.gigagan_pytorch.config import PortTextConfig
from t2igan.types import Condition


class TextLayer(nn.Module):
    """Attention and a feed-forward, each added to its input."""

    def __init__(self, width: int, *, heads: int, head_dim: int) -> None:
        super().__init__()
        self.attention = TextAttention(width, heads=heads, head_dim=head_dim)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and [N, L] bool -> [N, L, width]."""
        x = x + self.attention(x, mask)
        return x + self.feed_forward(x)


class Transformer(nn.Module):
    """Text layers and a last norm."""

    def __init__(self, width: int, *, depth: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TextLayer(width, heads=heads, head_dim=head_dim) for _ in range(depth))
        self.norm = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and [N, L] bool, True where a token may be seen -> [N, L, width]."""
        for layer in self.layers:
            x = layer(x, mask)
        return unit_norm(x, self.norm)


class TextLayers(nn.Module):
    """A learned token before the prompt's becomes t_global, the prompt's own become t_local."""

    def __init__(self, config: PortTextConfig, c_dim: int, width: int) -> None:
        super().__init__()
        self.c_dim = c_dim
        self.global_token = nn.Parameter(torch.randn(width))
        self.project = None if c_dim == width else nn.Linear(c_dim, width)
        self.transformer = Transformer(
            width, depth=config.depth, heads=config.heads, head_dim=config.head_dim
        )

    def forward(self, c: Condition) -> Text:
        """A Condition of N rows with `tokens` [N, L, c_dim] and `mask`."""
        assert c.tokens is not None, "this network reads text tokens; set conditioner.tokens"
        assert c.mask is not None
        assert c.tokens.shape[2] == self.c_dim, f"this network needs [N, L, {self.c_dim}] text tokens"
        x = c.tokens.to(self.global_token.dtype)
        x = x if self.project is None else self.project(x)
        first = self.global_token.to(x.dtype).expand(len(x), 1, -1)
        x = self.transformer(torch.cat([first, x], dim=1), F.pad(c.mask, (1, 0), value=True))
        return Text(x[:, 1:], c.mask, x[:, 0].float())
