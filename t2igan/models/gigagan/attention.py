"""GigaGAN's attention on feature maps: L2 self-attention with tied queries and keys, cross-attention, feed-forward."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.gigagan.text import Text
from t2igan.ops.attention import dot_attention, l2_attention, rms_norm
from t2igan.ops.layers import Dense

UNIT_VARIANCE = 8**-0.5  # of -|q - k|^2 / sqrt(d), for unit normal q and k


class SelfAttention(nn.Module):
    """Queries and keys share one matrix; logits are negative squared distances; an extra token may join the keys.

    Source: Kang et al. 2023, section 3.3.
    """

    def __init__(self, channels: int, head_dim: int) -> None:
        super().__init__()
        self.heads = channels // min(head_dim, channels)
        self.norm = nn.Parameter(torch.ones(channels))
        self.to_qk = Dense(channels, channels)
        self.to_v = Dense(channels, channels)
        self.out = Dense(channels, channels)

    def forward(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """Pixels [N, P, C], and a token [N, C] or None -> what is to be added, [N, P, C]."""
        pixels = rms_norm(x, self.norm)
        seen = pixels if extra is None else torch.cat([extra[:, None].to(pixels.dtype), pixels], dim=1)
        k, v = self._split(self.to_qk(seen)), self._split(self.to_v(seen))
        q = k if extra is None else k[:, :, 1:]
        y = l2_attention(q, k, v, scale=q.shape[3] ** -0.5 * UNIT_VARIANCE)
        return self.out(y.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # [N, h, P, d]


class CrossAttention(nn.Module):
    """Pixels look at text tokens."""

    def __init__(self, channels: int, text_width: int, head_dim: int) -> None:
        super().__init__()
        self.heads = channels // min(head_dim, channels)
        self.norm = nn.Parameter(torch.ones(channels))
        self.to_q = Dense(channels, channels)
        self.to_k = Dense(text_width, channels)
        self.to_v = Dense(text_width, channels)
        self.out = Dense(channels, channels)

    def forward(self, x: Tensor, text: Text) -> Tensor:
        """Pixels [N, P, C] and a Text of N rows -> what is to be added, [N, P, C]."""
        q = self.to_q(rms_norm(x, self.norm))
        tokens = text.tokens.to(q.dtype)
        q, k, v = (
            t.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for t in (q, self.to_k(tokens), self.to_v(tokens))
        )
        return self.out(dot_attention(q, k, v, text.mask).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two layers of four times the width, pixel by pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.ones(channels))
        self.expand = Dense(channels, 4 * channels)
        self.shrink = Dense(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, P, C] -> what is to be added, [N, P, C]."""
        return self.shrink(F.gelu(self.expand(rms_norm(x, self.norm))))


def to_pixels(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, H W, C]; a view of channels-last maps."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_maps(pixels: Tensor, like: Tensor) -> Tensor:
    """[N, H W, C] -> [N, C, H, W] of the size of `like`, channels last."""
    return pixels.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
