"""The AuraSR upsampler: a small picture and a latent -> the picture at four times its size. Not: tiles, or foreign files.

Source: the published configuration and checkpoint layout; Kang et al. 2023 (GigaGAN), section 3.4 for the idea.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.errors import UsageError
from t2igan.models.aura_sr.attention import Transformer
from t2igan.models.aura_sr.blocks import Conv, ResidualBlock
from t2igan.models.aura_sr.config import AuraSRConfig
from t2igan.models.aura_sr.stages import Down, Up
from t2igan.ops.layers import SLOPE
from t2igan.types import Condition

NOISE_STRENGTH = 1e-3  # on pictures in [0, 1]; it was trained with it


class Mapping(nn.ModuleList):
    """z -> w: an MLP on the direction of z, its weights and biases times `lr_multiplier`."""

    def __init__(self, config: AuraSRConfig) -> None:
        widths = [config.z_dim, *[config.w_dim] * config.mapping_layers]
        super().__init__(nn.Linear(i, o) for i, o in pairwise(widths))
        self.lr_multiplier = config.mapping_lr_multiplier
        for layer in self:
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5 / self.lr_multiplier)
            nn.init.zeros_(layer.bias)

    def forward(self, z: Tensor) -> Tensor:
        """[N, z_dim] -> [N, w_dim]."""
        x = F.normalize(z, dim=1)
        for layer in self:
            assert isinstance(layer, nn.Linear)
            x = F.leaky_relu(F.linear(x, layer.weight, layer.bias) * self.lr_multiplier, SLOPE)
        return x


class AuraSR(nn.Module):
    """The network; it satisfies t2igan.types.Upsampler, whose docstring says what the attributes are."""

    c_dim = 0

    def __init__(self, config: AuraSRConfig) -> None:
        super().__init__()
        self.config = config
        self.z_dim = config.z_dim
        self.scale = config.scale
        self.img_resolution = config.resolution
        self.multiple = config.multiple
        self.has_attention = any((*config.down_attention, config.mid_attention, *config.up_attention))
        bottom = config.up_widths[0]
        self.mapping = Mapping(config)
        self.first = Conv(3, config.down_widths[0], 7)
        self.downs = nn.ModuleList(Down(i, config) for i in range(len(config.down_mults)))
        self.mid1 = ResidualBlock(bottom, bottom, config)
        self.mid_attention = Transformer(bottom, config.mid_attention, config)
        self.mid2 = ResidualBlock(bottom, bottom, config)
        self.ups = nn.ModuleList(Up(i, config) for i in range(len(config.up_mults)))
        self.last = ResidualBlock(config.dim, config.dim, config)
        self.to_rgb = Conv(config.dim, 3, 1)

    def forward(
        self, low: Tensor, z: Tensor, c: Condition | None = None, *, noise: Tensor | None = None
    ) -> Tensor:
        """Enlarge pictures.

        Args:
            low: [N, 3, h, w] in [-1, 1], sides multiples of `multiple`.
            z: [N, z_dim], or [1, z_dim] for all rows: then every layer is one ordinary convolution.
            c: not read; part of the protocol.
            noise: standard normal in the shape of `low`, added at NOISE_STRENGTH; None = none.

        Returns:
            [N, 3, h scale, w scale] float32, about [-1, 1]. Under autocast the convolutions run in its dtype.

        Raises:
            UsageError: if a side is no multiple.
        """
        if low.shape[2] % self.multiple or low.shape[3] % self.multiple:
            raise UsageError(
                f"a picture of {low.shape[3]}x{low.shape[2]} does not fit: sides must be multiples of {self.multiple}. "
                f"Pad it, or let t2igan upscale do so."
            )
        device, own = low.device.type, self.first.weight.dtype
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else own
        x = low * 0.5 + 0.5
        x = (x if noise is None else x + NOISE_STRENGTH * noise).clamp(0, 1)
        with torch.autocast(device, enabled=False):  # every cast is explicit
            w = self.mapping(z.to(own))
            # 1.9 times as fast as channels-first in float32 at 256 px, 6 times in bfloat16, on a CPU with AMX
            rgb = self._draw(x.to(dtype, memory_format=torch.channels_last), w)
            return rgb.float() * 2 - 1

    def _draw(self, x: Tensor, w: Tensor) -> Tensor:
        """Pictures [N, 3, h, w] in [0, 1] and w [N or 1, w_dim] -> [N, 3, h scale, w scale], about [0, 1]."""
        x, skips = self.first(x), []
        for down in self.downs:
            x, made = down(x, w)
            skips.append(made)
        x = self.mid2(self.mid_attention(self.mid1(x, w)), w)
        for up in self.ups:
            x = up(x, w, skips.pop() if skips else [])
        return self.to_rgb(self.last(x, w))
