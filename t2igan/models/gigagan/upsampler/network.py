"""The GigaGAN upsampler: a small image -> itself, `scale` times as large, with an image at every size in between.

Not: tiles (t2igan.upscaler), nor how it is trained.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.gigagan.synthesis import Styles
from t2igan.models.gigagan.text import Text, TextLayers
from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.models.gigagan.upsampler.levels import Down, Up
from t2igan.models.gigagan.upsampler.mapping import UpsamplerMapping
from t2igan.ops.equal_conv import EqualConv
from t2igan.ops.upfirdn2d import resample_filter, upsample2d
from t2igan.types import Condition


class GigaGANUpsampler(nn.Module):
    """The network; it satisfies t2igan.types.Upsampler, whose docstring says what the attributes are.

    Source: Kang et al. 2023, section 3.7; what is not published is ours, see docs/gigagan.md.
    """

    resample_filter: Tensor

    def __init__(self, config: GigaGANUpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.z_dim, self.c_dim, self.scale = config.z_dim, config.c_dim, config.scale
        self.img_resolution, self.multiple = config.resolution // config.scale, config.multiple
        self.has_attention = any(config.attention)
        sizes, at_input = config.sizes, config.halvings
        self.text = TextLayers(config.text, config.c_dim) if config.reads_tokens else None
        self.mapping = UpsamplerMapping(config)
        self.from_rgb = EqualConv(3, config.channels(sizes[at_input]), kernel=3)
        self.downs = nn.ModuleList(Down(config, r) for r in reversed(sizes[1 : at_input + 1]))
        ups = [Up(config, r) for r in sizes]
        self.ups = nn.ModuleList(ups)
        self.register_buffer("resample_filter", resample_filter(), persistent=False)

    def forward(
        self, low: Tensor, z: Tensor, c: Condition | None = None, *, noise: Tensor | None = None
    ) -> Tensor:
        """Enlarge images.

        Args:
            low: [N, 3, h, w] in [-1, 1], sides multiples of `multiple`.
            z: [N, z_dim], or [1, z_dim] for all rows: then every layer is one ordinary convolution.
            c: text tokens of as many rows, for a network that reads text.
            noise: standard normal in the shape of `low`, mixed in at strength `noise_eval`; None = none.

        Returns:
            [N, 3, h scale, w scale] float32, about [-1, 1].
        """
        strength = low.new_full((1,), 0.0 if noise is None else self.config.noise_eval)
        return self.pyramid(low, z, c, noise=noise, strength=strength)[0]

    def pyramid(
        self, low: Tensor, z: Tensor, c: Condition | None, *, noise: Tensor | None, strength: Tensor
    ) -> list[Tensor]:
        """As calling it, with the noise's strength [N or 1] in [0, 1): images of every size, the largest first.

        The smallest has the size of `low`: it is what the network sees, corrected.
        """
        seen = low.float() if noise is None else mix(low.float(), noise, strength)
        text = self._read(c)
        styles = self.styles(self.mapping(z, None if text is None else text.summary, strength))
        x, skips = self._down(seen)
        img, images = seen, []
        for level, up in enumerate(self.ups):
            own = {k.removeprefix(f"{level}."): v for k, v in styles.items() if k.startswith(f"{level}.")}
            x, rgb = up(x, skips.get(level), own, text)
            if rgb is not None:
                img = (self._double(img) if images else img) + rgb
                images.insert(0, img)
        return images

    def styles(self, w: Tensor) -> Styles:
        """[N or 1, w_dim] -> style name -> [N or 1, channels or kernels] float32; names begin with the level's number."""
        styles: Styles = {}
        with torch.autocast(w.device.type, enabled=False):
            for level, up in enumerate(self.ups):
                for name, affine in up.style_layers():  # pyright: ignore[reportCallIssue]
                    styles[f"{level}.{name}"] = affine(w.float())
        return styles

    def shrink(self, img: Tensor) -> Tensor:
        """Images [N, 3, H, W] -> [N, 3, H / scale, W / scale]: what it learns to undo."""
        if self.config.downsample == "area":
            return F.avg_pool2d(img, self.scale)
        size = (img.shape[2] // self.scale, img.shape[3] // self.scale)
        return F.interpolate(img, size=size, mode="bicubic", antialias=True).clamp(-1, 1)

    def trainable_names(self, freeze_up_to: int | None = None) -> list[str]:
        """Names of the parameters that train while sizes up to `freeze_up_to` pixels keep theirs, but for toRGB."""
        names = [name for name, _ in self.named_parameters()]
        if freeze_up_to is None:
            return names
        large = tuple(f"ups.{i}." for i, r in enumerate(self.config.sizes) if r > freeze_up_to)
        return [name for name in names if name.startswith(large) or ".torgb." in name]

    def shard_units(self) -> list[list[nn.Module]]:
        """Modules whose weights are gathered together, see t2igan.sharding; each is called as a whole."""
        ups: list[Up] = list(self.ups)  # pyright: ignore[reportAssignmentType]
        affines: list[list[nn.Module]] = [[affine for _, affine in up.style_layers()] for up in ups]
        first: list[list[nn.Module]] = [] if self.text is None else [[self.text]]
        return [
            *first,
            [self.mapping],
            [self.from_rgb],
            *([down] for down in self.downs),
            *affines,
            *([u] for u in ups),
        ]

    def _read(self, c: Condition | None) -> Text | None:
        if self.text is None:
            return None
        assert c is not None, "this upsampler reads text"
        return self.text(c)

    def _down(self, seen: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """What the network sees -> the map at the bottom, and the maps that the way up reads, by level."""
        device = seen.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else seen.dtype
        x, skips = self.from_rgb(seen.to(dtype, memory_format=torch.channels_last)), {}
        for number, down in enumerate(self.downs):
            skips[len(self.downs) - number], x = down(x)
        return x, skips

    def _double(self, img: Tensor) -> Tensor:
        """Bilinear, as the StyleGANs' filter is; beyond its sides an image goes on as it is there."""
        img = torch.cat([img[:, :, :1], img, img[:, :, -1:]], dim=2)
        img = torch.cat([img[:, :, :, :1], img, img[:, :, :, -1:]], dim=3)
        return upsample2d(img, self.resample_filter)[:, :, 2:-2, 2:-2]


def mix(img: Tensor, noise: Tensor, strength: Tensor) -> Tensor:
    """sqrt(1 - s^2) img + s noise for strengths s [N or 1]: keeps the variance of images of unit variance."""
    s = strength.float()[:, None, None, None]
    return (1 - s.square()).sqrt() * img + s * noise.float()
