"""The two sides of the upsampler's U: plain residual blocks down, adaptive convolutions and attention up."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from t2igan.models.gigagan.discriminator import ResidualBlock
from t2igan.models.gigagan.layers import ToRGB
from t2igan.models.gigagan.synthesis import AttentionPair, ConvBlock, Styles
from t2igan.models.gigagan.text import Text
from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.ops.layers import Dense


class Down(nn.Module):
    """One size on the way down: residual blocks, then one that halves it."""

    def __init__(self, config: GigaGANUpsamplerConfig, r: int) -> None:
        super().__init__()
        channels = config.channels(r)
        same = (ResidualBlock(channels, channels, 1) for _ in range(config.down_blocks - 1))
        self.blocks = nn.Sequential(*same)
        self.end = ResidualBlock(channels, config.channels(r // 2), 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, h, w] -> the map that the way up reads, of that shape, and [N, C', h / 2, w / 2]."""
        x = self.blocks(x)
        return x, self.end(x)


class Up(nn.Module):
    """One size on the way up: blocks, attention pairs and, from the input's size on, toRGB.

    The first block's two convolutions are apart, as the second one also reads the map of the way down.
    """

    def __init__(self, config: GigaGANUpsamplerConfig, r: int) -> None:
        super().__init__()
        level, channels = config.sizes.index(r), config.channels(r)
        below = config.channels(config.sizes[max(level - 1, 0)])
        skipped = channels if 0 < level <= config.halvings else 0
        up = 2 if level else 1
        self.first = ConvBlock(config, below, r, up=up, convs=1, residual=False)
        self.second = ConvBlock(config, channels + skipped, r, up=1, convs=1, residual=False)
        self.blocks = nn.ModuleList(
            ConvBlock(config, channels, r, up=1, convs=2, residual=True)
            for _ in range(config.blocks_at(r) - 1)
        )
        self.attention = nn.ModuleList(AttentionPair(config, channels) for _ in range(config.attention_at(r)))
        self.torgb = None
        if level >= config.halvings:
            self.torgb = ToRGB(channels, config.w_dim, config.conv_clamp)
            nn.init.zeros_(self.torgb.weight)  # an untrained network interpolates

    def style_layers(self) -> Iterator[tuple[str, Dense]]:
        """Name and affine map of each style, in layer order."""
        parts = [("first", self.first), ("second", self.second)]
        parts += [(f"block{b}", block) for b, block in enumerate(self.blocks)]  # pyright: ignore[reportAssignmentType]
        for name, block in parts:
            for i, conv in enumerate(block.layers()):  # pyright: ignore[reportCallIssue]
                yield f"{name}.{i}", conv.affine
                if conv.select is not None:
                    yield f"{name}.{i}.kernels", conv.select
        for a, pair in enumerate(self.attention):
            yield f"attention{a}.token", pair.token  # pyright: ignore[reportReturnType]
        if self.torgb is not None:
            yield "torgb", self.torgb.affine

    def forward(
        self, x: Tensor, skip: Tensor | None, styles: Styles, text: Text | None
    ) -> tuple[Tensor, Tensor | None]:
        """Run the size.

        Args:
            x: [N, I, h / 2, w / 2] of the size below, or of this one at the bottom.
            skip: [N, C, h, w] of the way down, or None.
            styles: this size's, by name, of N rows or 1.
            text: what cross-attention reads, of N rows or 1; None where no text is read.

        Returns:
            [N, C, h, w] in the dtype of x, and what is added to the image, [N, 3, h, w] float32, or None.
        """
        x = self.first(x, styles, "first", noise_mode="none")
        if skip is not None:
            x = torch.cat([x, skip.to(x.dtype)], dim=1)
        x = self.second(x, styles, "second", noise_mode="none")
        for b, block in enumerate(self.blocks):
            x = block(x, styles, f"block{b}", noise_mode="none")
        for a, pair in enumerate(self.attention):
            x = pair(x, styles[f"attention{a}.token"].expand(len(x), -1), _rows(text, len(x)))
        return x, None if self.torgb is None else self.torgb(x, styles["torgb"])


def _rows(text: Text | None, n: int) -> Text | None:
    """The text of each of n images, where all share one."""
    if text is None or len(text) == n:
        return text
    return text.map(torch.zeros(n, dtype=torch.int64, device=text.summary.device))
