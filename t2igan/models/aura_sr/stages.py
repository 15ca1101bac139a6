"""The stages of AuraSR's U-Net: one resolution downwards, and one upwards. Not: what lies between, or before and after."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.aura_sr.attention import Transformer
from t2igan.models.aura_sr.blocks import Conv, ResidualBlock
from t2igan.models.aura_sr.config import AuraSRConfig


class Down(nn.Module):
    """Residual blocks, attention, and a convolution of stride 2."""

    def __init__(self, stage: int, config: AuraSRConfig) -> None:
        super().__init__()
        width, wider = config.down_widths[stage : stage + 2]
        self.blocks = nn.ModuleList(ResidualBlock(width, width, config) for _ in range(config.num_blocks))
        self.attention = Transformer(width, config.down_attention[stage], config)
        self.downsample = Conv(width, wider, 3, stride=2)

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[N, C, H, W] -> [N, C', H / 2, W / 2], and what each block gave: [N, C, H, W], before attention."""
        skips = []
        for block in self.blocks:
            x = block(x, w)
            skips.append(x)
        return self.downsample(self.attention(x)), skips


class Up(nn.Module):
    """Twice the size by repetition and a convolution, residual blocks that read the way down, and attention."""

    def __init__(self, stage: int, config: AuraSRConfig) -> None:
        super().__init__()
        wider, width = config.up_widths[stage : stage + 2]
        from_below = len(config.down_mults) - 1 - stage  # the stage downwards of this resolution
        skip_width = config.down_widths[from_below] if from_below >= 0 else 0
        self.skip_scale = config.skip_scale
        self.upsample = Conv(wider, width, 3)
        self.blocks = nn.ModuleList(
            ResidualBlock(width + skip_width, width, config) for _ in range(config.num_blocks)
        )
        self.attention = Transformer(width, config.up_attention[stage], config)

    def forward(self, x: Tensor, w: Tensor, skips: list[Tensor]) -> Tensor:
        """[N, C, H, W] -> [N, C', 2 H, 2 W]; the last of `skips` goes to the first block. Above the input they are none."""
        x = self.upsample(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        for i, block in enumerate(self.blocks):
            x = block(torch.cat([x, skips[-1 - i] * self.skip_scale], dim=1) if skips else x, w)
        return self.attention(x)
