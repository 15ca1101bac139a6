"""The upsampler's mapping network: z, the prompt's summary and the strength of the noise on the input -> w."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.ops.layers import Dense, normalize_second_moment

WAVES = 4  # cosine and sine of the strength at so many frequencies, half a turn from 0 to 1 at the lowest


class UpsamplerMapping(nn.Module):
    """w = MLP(z, t_global, s); without text of z and s alone. No truncation: a picture leaves little to choose."""

    def __init__(self, config: GigaGANUpsamplerConfig) -> None:
        super().__init__()
        text = config.text.width if config.reads_tokens else 0
        widths = [config.z_dim + text + 2 * WAVES, *[config.w_dim] * config.mapping_layers]
        lr = config.mapping_lr_multiplier
        layers = [Dense(i, o, activation="lrelu", lr_multiplier=lr) for i, o in pairwise(widths)]
        self.mlp = nn.Sequential(*layers)

    def forward(self, z: Tensor, summary: Tensor | None, strength: Tensor) -> Tensor:
        """Latents [n, z_dim], summaries [n, width] or None, strengths [n], where n is N or 1 -> w [N or 1, w_dim]."""
        with torch.autocast(z.device.type, enabled=False):
            parts = [normalize_second_moment(z.float()), waves(strength.float())]
            if summary is not None:
                parts.append(normalize_second_moment(summary.float()))
            rows = max(len(part) for part in parts)
            return self.mlp(torch.cat([part.expand(rows, -1) for part in parts], dim=1))


def waves(strength: Tensor) -> Tensor:
    """Strengths [n] in [0, 1] -> [n, 2 WAVES] numbers with a mean square of 1."""
    octaves = torch.arange(WAVES, device=strength.device)
    angles = strength[:, None] * math.pi * torch.exp2(octaves)
    return torch.cat([angles.cos(), angles.sin()], dim=1) * math.sqrt(2)
