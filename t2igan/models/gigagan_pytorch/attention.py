"""Attention layers of gigagan-pytorch, on rows of pixels or tokens. Not: GigaGAN's own, which see w and have no null token.

Every layer keeps a learned null key and value that may be attended to instead of anything else.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.gigagan.attention import to_maps, to_pixels
from t2igan.models.gigagan.text import Text
from t2igan.models.gigagan_pytorch.config import HeadsConfig
from t2igan.ops.attention import dot_attention, l2_attention


class SelfAttention(nn.Module):
    """Pixels look at pixels and at the null token."""

    def __init__(
        self, channels: int, *, heads: int, head_dim: int, logits: Literal["dot", "l2"] = "dot"
    ) -> None:
        super().__init__()
        inner = heads * head_dim
        self.norm = nn.Parameter(torch.ones(channels))
        self.to_q = nn.Linear(channels, inner, bias=False)
        self.to_k = (
            nn.Linear(channels, inner, bias=False) if logits == "dot" else None
        )  # else tied to queries
        self.to_v = nn.Linear(channels, inner, bias=False)
        self.null = nn.Parameter(torch.randn(2, heads, head_dim))
        self.out = nn.Linear(inner, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, P, C] -> what is to be added, [N, P, C]."""
        q, k, v = self.queries_keys_values(x)
        if self.to_k is None:
            y = l2_attention(q, k, v, scale=q.shape[3] ** -0.5)
        else:
            y = dot_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N, P, C] -> [N, h, P, d], and twice [N, h, 1 + P, d], the null token first."""
        heads = self.null.shape[1]
        pixels = unit_norm(x, self.norm)
        q, v = split_heads(self.to_q(pixels), heads), split_heads(self.to_v(pixels), heads)
        k = q if self.to_k is None else split_heads(self.to_k(pixels), heads)
        return q, with_null(k, self.null[0]), with_null(v, self.null[1])


class CrossAttention(nn.Module):
    """Pixels look at text tokens; there is no null token."""

    def __init__(self, channels: int, text_width: int, *, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * head_dim
        self.norm = nn.Parameter(torch.ones(channels))
        self.norm_context = nn.Parameter(torch.ones(text_width))
        self.to_q = nn.Linear(channels, inner, bias=False)
        self.to_kv = nn.Linear(text_width, 2 * inner, bias=False)
        self.out = nn.Linear(inner, channels, bias=False)

    def forward(self, x: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Pixels [N, P, C], tokens [N, L, width] and [N, L] bool -> what is to be added, [N, P, C]."""
        q = self.to_q(unit_norm(x, self.norm))
        both = self.to_kv(unit_norm(tokens, self.norm_context)).to(q.dtype)
        q, k, v = (split_heads(t, self.heads) for t in (q, *both.chunk(2, dim=2)))
        return self.out(dot_attention(q, k, v, mask).transpose(1, 2).flatten(2))


class TextAttention(nn.Module):
    """Tokens look at tokens and at the null token, which no mask hides."""

    def __init__(self, width: int, *, heads: int, head_dim: int) -> None:
        super().__init__()
        inner = heads * head_dim
        self.norm = nn.Parameter(torch.ones(width))
        self.to_qkv = nn.Linear(width, 3 * inner, bias=False)
        self.null = nn.Parameter(torch.randn(2, heads, head_dim))
        self.out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and [N, L] bool -> what is to be added, [N, L, width]."""
        parts = self.to_qkv(unit_norm(x, self.norm)).chunk(3, dim=2)
        q, k, v = (split_heads(t, self.null.shape[1]) for t in parts)
        k, v = with_null(k, self.null[0]), with_null(v, self.null[1])
        y = dot_attention(q, k, v, F.pad(mask, (1, 0), value=True))
        return self.out(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two layers, row by row."""

    def __init__(self, width: int, widening: int = 4) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.ones(width))
        self.expand = nn.Linear(width, widening * width)
        self.shrink = nn.Linear(widening * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, P, C] -> what is to be added, [N, P, C]."""
        return self.shrink(F.gelu(self.expand(unit_norm(x, self.norm))))


class SelfBlock(nn.Module):
    """Self-attention and a feed-forward on a map, each added to its input."""

    def __init__(self, channels: int, shape: HeadsConfig, logits: Literal["dot", "l2"]) -> None:
        super().__init__()
        self.attention = SelfAttention(channels, heads=shape.heads, head_dim=shape.head_dim, logits=logits)
        self.feed_forward = FeedForward(channels, shape.widening)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape and dtype."""
        pixels = to_pixels(x)
        pixels = pixels + self.attention(pixels)
        return to_maps(pixels + self.feed_forward(pixels), x).to(x.dtype)


class CrossBlock(nn.Module):
    """Cross-attention and a feed-forward on a map, each added to its input."""

    def __init__(self, channels: int, text_width: int, shape: HeadsConfig) -> None:
        super().__init__()
        self.attention = CrossAttention(channels, text_width, heads=shape.heads, head_dim=shape.head_dim)
        self.feed_forward = FeedForward(channels, shape.widening)

    def forward(self, x: Tensor, text: Text) -> Tensor:
        """[N, C, H, W] and a Text of N rows -> the same shape and dtype."""
        pixels = to_pixels(x)
        pixels = pixels + self.attention(pixels, text.tokens, text.mask)
        return to_maps(pixels + self.feed_forward(pixels), x).to(x.dtype)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[N, P, h d] -> [N, h, P, d]."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def with_null(x: Tensor, null: Tensor) -> Tensor:
    """[N, h, P, d] and [h, d] -> [N, h, 1 + P, d]."""
    return torch.cat([null[:, None].to(x.dtype).expand(len(x), -1, -1, -1), x], dim=2)


def unit_norm(x: Tensor, gain: Tensor) -> Tensor:
    """X / |x| sqrt(C) gain over the last dimension of [..., C], in float32, back in the dtype of x.

    Without an epsilon in the mean square, unlike ops.attention.rms_norm: that moved images of dark maps by 3e-5.
    """
    return (F.normalize(x.float(), dim=-1) * (gain * x.shape[-1] ** 0.5)).to(x.dtype)
