"""One trained head of the projected discriminator. Not: the frozen network, nor how heads are combined (projected.py)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from t2igan.ops.batchnorm_local import BatchNormLocal
from t2igan.ops.layers import SLOPE, Dense
from t2igan.ops.spectral_norm import Padding, SpectralConv
from t2igan.types import Condition

HeadKind = Literal["tokens", "maps"]
# (kernel of the first block, of the residual block, of the classifier), and how borders are continued
SHAPES: dict[HeadKind, tuple[tuple[int, ...], tuple[int, ...], Padding]] = {
    "tokens": ((1,), (9,), "circular"),  # official: convolutions along the row-major token sequence
    "maps": ((1, 1), (3, 3), "zeros"),
}


class Residual(nn.Module):
    """fn(x) + x. Upstream divides by sqrt(2); here the next convolution does, on its weights."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as x."""
        return self.fn(x) + x


class Head(nn.Module):
    """Two normalised convolutions, a residual, a classifier, and projection conditioning, position by position.

    Args:
        channels: of the feature map, kept inside the head.
        c_dim: length of the text embedding; 0 = unconditional, one logit a position.
        cmap_dim: width of the projection between features and text.
        kind: `tokens` treats the map as a sequence, `maps` as an image.
        virtual_batch: see BatchNormLocal.
        text_gain: factor on the text embedding.
        spectral_norm_updates: see SpectralConv.

    Source: StyleGAN-T (Sauer et al. 2023), section 4.2; projection of Miyato & Koyama 2018.
    """

    def __init__(
        self,
        channels: int,
        c_dim: int,
        *,
        cmap_dim: int = 64,
        kind: HeadKind = "tokens",
        virtual_batch: int = 8,
        text_gain: float = 1.0,
        spectral_norm_updates: Literal["per_step", "per_call"] = "per_call",
    ) -> None:
        super().__init__()
        self.kind: HeadKind = kind
        self.c_dim = c_dim
        self.text_gain = text_gain
        first, second, padding = SHAPES[kind]
        updates = spectral_norm_updates

        def block(kernel: tuple[int, ...]) -> nn.Sequential:
            conv = SpectralConv(channels, channels, kernel=kernel, padding=padding, updates=updates)
            norm = BatchNormLocal(channels, virtual_batch=virtual_batch)
            return nn.Sequential(conv, norm, nn.LeakyReLU(SLOPE, inplace=True))

        self.main = nn.Sequential(block(first), Residual(block(second)))
        out_channels = cmap_dim if c_dim > 0 else 1
        self.cls = SpectralConv(channels, out_channels, kernel=first, updates=updates)
        if c_dim > 0:
            self.cmapper = Dense(c_dim, cmap_dim)

    def project(self, x: Tensor) -> Tensor:
        """[N, channels, L] or [N, channels, h, w] -> [N, cmap_dim, L], without the text."""
        if self.kind == "tokens":
            x = x.flatten(2)
        return self.cls(self.main(x), x_gain=math.sqrt(0.5)).flatten(2)

    def score(self, maps: Tensor, c: Condition | Tensor | None) -> Tensor:
        """Projections [N, cmap_dim, L] and a Condition (or its embed) -> logits [N, L], float32."""
        with torch.autocast(maps.device.type, enabled=False):
            if self.c_dim == 0:
                return maps[:, 0].float()
            embed = c.embed if isinstance(c, Condition) else c
            assert embed is not None, "this discriminator is text-conditional"
            assert embed.shape[1] == self.c_dim, f"this discriminator needs [N, {self.c_dim}] text embeddings"
            cmap = self.cmapper(embed.float() * self.text_gain) / math.sqrt(maps.shape[1])  # [N, cmap_dim]
            # Positions first, so that the gradient comes back channels last, as the convolution wants it.
            return torch.bmm(maps.transpose(1, 2), cmap[:, :, None].to(maps.dtype))[:, :, 0].float()

    def forward(self, x: Tensor, c: Condition | Tensor | None) -> Tensor:
        """Features [N, channels, L or h, w] and a Condition (or its embed) -> logits [N, 1, L]."""
        return self.score(self.project(x), c)[:, None]

    def advance_spectral_norm(self) -> None:
        """One power iteration of each convolution; nothing in mode per_call, where calls have done it."""
        for module in self.modules():
            if isinstance(module, SpectralConv) and module.updates == "per_step":
                module.advance()
