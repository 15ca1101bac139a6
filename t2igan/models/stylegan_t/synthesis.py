"""StyleGAN-T's synthesis network: blocks from 8 px up, each adding its RGB to the image. Not: mapping or truncation."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.models.stylegan_t.fourier import FourierInput
from t2igan.models.stylegan_t.layers import SynthesisLayer, ToRGB
from t2igan.ops.upfirdn2d import resample_filter, upsample2d
from t2igan.types import Condition, NoiseMode

Styles = dict[str, Tensor]


class SynthesisBlock(nn.Module):
    """One resolution: Fourier input or up-sampling convolution, then num_res_blocks pairs of (plain, residual), toRGB."""

    resample_filter: Tensor

    def __init__(self, config: StyleGANTConfig, resolution: int) -> None:
        super().__init__()
        channels = config.channels(resolution)
        self.is_first = resolution == config.resolutions[0]
        self.name = f"b{resolution}"
        self.register_buffer("resample_filter", resample_filter())
        if self.is_first:
            self.input = FourierInput(config.w_dim, channels)
        else:
            self.conv0 = self._layer(config, resolution, config.channels(resolution // 2), up=2)
        self.convs1 = nn.ModuleList(
            self._layer(config, resolution, channels, is_residual=i % 2 == 1)
            for i in range(2 * config.num_res_blocks)
        )
        self.torgb = ToRGB(
            channels, w_dim=config.w_dim, rgb_gain=config.rgb_gain, conv_clamp=config.conv_clamp
        )

    @staticmethod
    def _layer(
        config: StyleGANTConfig, resolution: int, in_channels: int, *, up: int = 1, is_residual: bool = False
    ) -> SynthesisLayer:
        return SynthesisLayer(
            in_channels,
            config.channels(resolution),
            w_dim=config.w_dim,
            resolution=resolution,
            up=up,
            is_residual=is_residual,
            noise=config.noise,
            conv_clamp=config.conv_clamp,
        )

    @property
    def num_conv(self) -> int:
        """How many w's the block reads, without its toRGB."""
        return 1 + len(self.convs1)

    def style_layers(self) -> list[nn.Module]:
        """What `styles_by_layer` calls."""
        first = self.input if self.is_first else self.conv0
        return [layer.affine for layer in (first, *self.convs1, self.torgb)]  # pyright: ignore

    def styles_by_layer(self, ws: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and style of each layer, in layer order; `ws` is [N, num_conv + 1, w_dim], the last one for toRGB."""
        if self.is_first:
            yield f"{self.name}.input", self.input.affine(ws[:, 0])
        else:
            yield f"{self.name}.conv0", self.conv0.affine(ws[:, 0])
        for i, conv in enumerate(self.convs1):
            yield f"{self.name}.convs1.{i}", conv.affine(ws[:, 1 + i])  # pyright: ignore[reportCallIssue]
        yield f"{self.name}.torgb", self.torgb.style(ws[:, self.num_conv])

    def forward(
        self, x: Tensor, img: Tensor | None, styles: Styles, *, noise_mode: NoiseMode
    ) -> tuple[Tensor, Tensor]:
        """Run the block.

        Args:
            x: trunk of the block below, in the compute dtype; for the first block, the Fourier features.
            img: [N, 3, r / 2, r / 2] float32 image so far; None for the first block.
            styles: of all layers, by name.
            noise_mode: see SynthesisLayer.

        Returns:
            Trunk [N, C, r, r] in the dtype of x, and image [N, 3, r, r] in float32.
        """
        if not self.is_first:
            x = self.conv0(x, styles[f"{self.name}.conv0"], noise_mode=noise_mode)
        for i, conv in enumerate(self.convs1):
            x = conv(x, styles[f"{self.name}.convs1.{i}"], noise_mode=noise_mode, gain=math.sqrt(0.5))
        rgb = self.torgb(x, styles[f"{self.name}.torgb"])
        return x, rgb if img is None else upsample2d(img, self.resample_filter) + rgb


class Synthesis(nn.Module):
    """ws -> styles -> image. Modules are called b8, b16, ... as in the official checkpoints."""

    def __init__(self, config: StyleGANTConfig) -> None:
        super().__init__()
        self.config = config
        self.resolutions = config.resolutions
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(config, resolution))
        self.num_ws = sum(block.num_conv for block in self.blocks()) + 1

    def blocks(self) -> list[SynthesisBlock]:
        """All blocks, lowest resolution first."""
        return [self.get_submodule(f"b{r}") for r in self.resolutions]  # pyright: ignore[reportReturnType]

    def styles(self, ws: Tensor) -> Styles:
        """[N, num_ws, w_dim] -> layer name -> [N, channels] float32, in layer order.

        A block's toRGB reads the w after its convolutions, which is also the first w of the next block.
        """
        styles: Styles = {}
        start = 0
        with torch.autocast(ws.device.type, enabled=False):
            for block in self.blocks():
                styles.update(block.styles_by_layer(ws[:, start : start + block.num_conv + 1].float()))
                start += block.num_conv
        return styles

    def forward(
        self, styles: Styles, c: Condition | None = None, *, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """Draw images from style codes.

        Args:
            styles: as from `styles`, all layers present.
            c: unused, as the text is inside the styles; part of the generator protocol.
            noise_mode: `random` per-sample, `const` from the checkpoint, or `none`.

        Returns:
            [N, 3, R, R] float32. Under autocast the trunk runs in autocast's dtype, everything else in float32; under
            float16 only the highest `num_fp16_res` resolutions (spec 5.5).
        """
        blocks = self.blocks()
        first = styles[f"{blocks[0].name}.input"]
        device = first.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else first.dtype
        with torch.autocast(device, enabled=False):  # every cast below is explicit
            x, img = blocks[0].input(first), None
            for resolution, block in zip(self.resolutions, blocks, strict=True):
                is_wide = dtype == torch.float16 and not self.config.has_half(resolution)
                x, img = block(x.to(torch.float32 if is_wide else dtype), img, styles, noise_mode=noise_mode)
        assert img is not None
        return img
