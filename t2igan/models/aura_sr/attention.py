"""The transformer layers of AuraSR, on maps. Not: GigaGAN's own attention, which measures distances."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.aura_sr.config import AuraSRConfig

WIDENING = 4  # of the hidden layer after attention


class ChannelNorm(nn.Module):
    """Scale each token to a root mean square of `gain`, in float32."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] -> the same shape and dtype."""
        unit = F.normalize(x.float(), dim=-1)
        return (unit * (self.gain.float() * x.shape[-1] ** 0.5)).to(x.dtype)


class TransformerLayer(nn.Module):
    """Self-attention, then a hidden layer with GELU, each after a norm and added to its input."""

    def __init__(self, dim: int, config: AuraSRConfig) -> None:
        super().__init__()
        inner = config.num_heads * config.head_dim
        self.num_heads = config.num_heads
        self.norm1 = ChannelNorm(dim)
        self.qkv = nn.Linear(dim, 3 * inner, bias=False)
        self.out = nn.Linear(inner, dim)
        self.norm2 = ChannelNorm(dim)
        self.widen = nn.Linear(dim, WIDENING * dim)
        self.narrow = nn.Linear(WIDENING * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] -> [N, L, C]."""
        x = x + linear(self.out, self._attend(self.norm1(x)))
        return x + linear(self.narrow, F.gelu(linear(self.widen, self.norm2(x))))

    def _attend(self, x: Tensor) -> Tensor:
        qkv = linear(self.qkv, x).unflatten(2, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [N, heads, L, head_dim]
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Transformer(nn.ModuleList):
    """Transformer layers over all pixels of a map, without positions."""

    def __init__(self, dim: int, depth: int, config: AuraSRConfig) -> None:
        super().__init__(TransformerLayer(dim, config) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        height_width = x.shape[2:]
        tokens = x.flatten(2).transpose(1, 2)  # a view where the map is channels-last
        for layer in self:
            tokens = layer(tokens)
        return tokens.transpose(1, 2).unflatten(2, height_width)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a layer in the dtype of x."""
    return F.linear(x, layer.weight.to(x.dtype), None if layer.bias is None else layer.bias.to(x.dtype))
