"""GigaGAN's synthesis network: from a learned constant to an image of every resolution. Not: mapping or text layers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from t2igan.models.gigagan.attention import CrossAttention, FeedForward, SelfAttention, to_maps, to_pixels
from t2igan.models.gigagan.config import GigaGANConfig
from t2igan.models.gigagan.layers import AdaptiveLayer, ToRGB
from t2igan.models.gigagan.text import Text
from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.ops.layers import Dense
from t2igan.ops.upfirdn2d import resample_filter, upsample2d
from t2igan.types import NoiseMode

Styles = dict[str, Tensor]
AnyConfig = GigaGANConfig | GigaGANUpsamplerConfig  # the upsampler has the same blocks


class ConvBlock(nn.Module):
    """Two adaptive convolutions, or one; residual where its input has the shape of its output."""

    def __init__(
        self, config: AnyConfig, in_channels: int, resolution: int, *, up: int, convs: int, residual: bool
    ) -> None:
        super().__init__()
        self.gain = config.block_gain if residual else None
        self.convs = nn.ModuleList(
            AdaptiveLayer(
                config.channels(resolution) if i else in_channels,
                config.channels(resolution),
                w_dim=config.w_dim,
                kernels=config.kernels_at(resolution),
                resolution=resolution,
                up=1 if i else up,
                noise=config.noise,
                conv_clamp=config.conv_clamp,
            )
            for i in range(convs)
        )

    def layers(self) -> list[AdaptiveLayer]:
        """In order."""
        return list(self.convs)  # pyright: ignore[reportReturnType]

    def forward(self, x: Tensor, styles: Styles, name: str, *, noise_mode: NoiseMode) -> Tensor:
        """The trunk [N, I, H, W] -> [N, C, H up, W up]; `name` is the block's in the styles."""
        y = x
        for i, conv in enumerate(self.layers()):
            at = f"{name}.{i}"
            y = conv(y, styles[at], styles.get(f"{at}.kernels"), noise_mode=noise_mode)
        return y if self.gain is None else x + y * self.gain


class AttentionPair(nn.Module):
    """Self-attention that also sees w, cross-attention to the prompt's tokens, and one feed-forward; all residual."""

    def __init__(self, config: AnyConfig, channels: int) -> None:
        super().__init__()
        self.gain = config.attention_gain
        self.token = Dense(config.w_dim, channels)
        self.self_attention = SelfAttention(channels, config.head_dim)
        self.cross_attention = (
            CrossAttention(channels, config.text.width, config.head_dim) if config.cross_attention else None
        )
        self.feed_forward = FeedForward(channels)

    def forward(self, x: Tensor, token: Tensor, text: Text | None) -> Tensor:
        """[N, C, H, W], w's token [N, C] and a Text of N rows, where it is read -> [N, C, H, W]."""
        pixels = to_pixels(x)
        pixels = pixels + self.gain * self.self_attention(pixels, token)
        if self.cross_attention is not None and text is not None:
            pixels = pixels + self.gain * self.cross_attention(pixels, text)
        pixels = pixels + self.gain * self.feed_forward(pixels)
        return to_maps(pixels, x).to(x.dtype)


class Resolution(nn.Module):
    """Everything at one resolution: blocks, attention pairs, toRGB."""

    resample_filter: Tensor

    def __init__(self, config: GigaGANConfig, resolution: int) -> None:
        super().__init__()
        is_first = resolution == config.resolutions[0]
        channels = config.channels(resolution)
        below = channels if is_first else config.channels(resolution // 2)
        if is_first:
            self.const = nn.Parameter(torch.randn(channels, resolution, resolution))
        self.blocks = nn.ModuleList(
            ConvBlock(
                config,
                channels if i else below,
                resolution,
                up=1 if i or is_first else 2,
                convs=1 if is_first and not i else 2,
                residual=i > 0,
            )
            for i in range(config.blocks_at(resolution))
        )
        pairs = config.attention.get(resolution, 0)
        self.attention = nn.ModuleList(AttentionPair(config, channels) for _ in range(pairs))
        self.torgb = ToRGB(channels, config.w_dim, config.conv_clamp)
        self.register_buffer("resample_filter", resample_filter(), persistent=False)

    def style_layers(self) -> Iterator[tuple[str, Dense]]:
        """Name and affine map of each style, in layer order; those of one layer follow one another."""
        for b, block in enumerate(self.blocks):
            for i, conv in enumerate(block.layers()):  # pyright: ignore[reportCallIssue]
                yield f"block{b}.{i}", conv.affine
                if conv.select is not None:
                    yield f"block{b}.{i}.kernels", conv.select
        for a, pair in enumerate(self.attention):
            yield f"attention{a}.token", pair.token  # pyright: ignore[reportReturnType]
        yield "torgb", self.torgb.affine

    def forward(
        self, x: Tensor, img: Tensor | None, styles: Styles, text: Text, *, noise_mode: NoiseMode
    ) -> tuple[Tensor, Tensor]:
        """Run the resolution.

        Args:
            x: trunk of the one below, in the compute dtype.
            img: [N, 3, r / 2, r / 2] float32 image so far; None for the first.
            styles: this resolution's, by name.
            text: what cross-attention reads.
            noise_mode: see AdaptiveLayer.

        Returns:
            Trunk [N, C, r, r] in the dtype of x, and image [N, 3, r, r] in float32.
        """
        for b, block in enumerate(self.blocks):
            x = block(x, styles, f"block{b}", noise_mode=noise_mode)
        for a, pair in enumerate(self.attention):
            x = pair(x, styles[f"attention{a}.token"], text)
        rgb = self.torgb(x, styles["torgb"])
        return x, rgb if img is None else upsample2d(img, self.resample_filter) + rgb


class Synthesis(nn.Module):
    """ws -> styles -> images of 4, 8, ... px. Modules are called b4, b8, ..."""

    def __init__(self, config: GigaGANConfig) -> None:
        super().__init__()
        self.config = config
        for resolution in config.resolutions:
            self.add_module(f"b{resolution}", Resolution(config, resolution))
        self.num_ws = sum(not name.endswith(".kernels") for name, _ in self.style_layers())

    def blocks(self) -> list[tuple[str, Resolution]]:
        """Names and resolutions, lowest first."""
        return [(f"b{r}", self.get_submodule(f"b{r}")) for r in self.config.resolutions]  # pyright: ignore

    def style_layers(self) -> Iterator[tuple[str, Dense]]:
        """Full name and affine map of every style, in layer order."""
        for name, block in self.blocks():
            for layer, affine in block.style_layers():
                yield f"{name}.{layer}", affine

    def styles(self, ws: Tensor) -> Styles:
        """[N, num_ws, w_dim] -> style name -> [N, channels or kernels] float32; a layer's styles share its w."""
        styles: Styles = {}
        number = -1
        with torch.autocast(ws.device.type, enabled=False):
            for name, affine in self.style_layers():
                number += not name.endswith(".kernels")
                styles[name] = affine(ws[:, number].float())
        return styles

    def pyramid(self, styles: Styles, text: Text, *, noise_mode: NoiseMode) -> list[Tensor]:
        """Images [N, 3, r, r] float32 of r = resolution, ..., 8, 4: the largest first."""
        first = self.config.resolutions[0]
        const: Tensor = self.get_submodule(f"b{first}").const  # pyright: ignore[reportAssignmentType]
        device = const.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else const.dtype
        x = const.to(dtype).expand(len(text), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        img, images = None, []
        for name, block in self.blocks():
            own = {k.removeprefix(f"{name}."): v for k, v in styles.items() if k.startswith(f"{name}.")}
            x, img = block(x, img, own, text, noise_mode=noise_mode)
            images.insert(0, img)
        return images
