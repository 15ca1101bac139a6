"""Everything that gigagan-pytorch's generator does at one size of map. Not: the constant, the mapping, or how images are read."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from t2igan.models.gigagan.text import Text
from t2igan.models.gigagan_pytorch.attention import CrossBlock, SelfBlock
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig
from t2igan.models.gigagan_pytorch.layers import AdaptiveConv, BlurUp, Excitation, NoisyConv, ShuffleUp
from t2igan.types import NoiseMode

Styles = dict[str, Tensor]


class Size(nn.Module):
    """Doubling, two convolutions, self- and cross-attention, toRGB."""

    def __init__(self, config: GigaGANPytorchConfig, level: int) -> None:
        super().__init__()
        self.resolution = config.resolutions[level]
        widths = (config.const_channels, *config.channels)
        below, channels = widths[level : level + 2]
        self.up = _doubling(config, below) if level else None
        self.excitation = None
        if config.excite_ahead and level + config.excite_ahead < len(config.channels):
            self.excitation = Excitation(below, widths[level + config.excite_ahead])
        self.level, self.ahead = level, config.excite_ahead
        self.conv0 = _conv(config, below, channels, level, 0)
        self.conv1 = _conv(config, channels, channels, level, 1)
        has_self = self.resolution in config.self_attention
        self.self_block = SelfBlock(channels, config.self_heads, config.logits) if has_self else None
        has_cross = self.resolution in config.cross_attention
        self.cross_block = CrossBlock(channels, config.text_width, config.cross_heads) if has_cross else None
        self.torgb = AdaptiveConv(channels, 3, config.w_dim, kernels=1, kernel_size=1, demodulate=False)
        self.up_rgb = _doubling(config, 3) if level else None

    def style_layers(self) -> Iterator[tuple[str, AdaptiveConv]]:
        """Name and convolution of each style, in layer order."""
        yield from (("conv0", self.conv0), ("conv1", self.conv1), ("torgb", self.torgb))

    def forward(
        self,
        x: Tensor,
        rgb: Tensor | None,
        styles: Styles,
        text: Text | None,
        *,
        factors: list[Tensor],
        noise_mode: NoiseMode,
    ) -> tuple[Tensor, Tensor]:
        """Run the size.

        Args:
            x: [N, I, r / 2, r / 2] map of the size below; of this one for the first.
            rgb: [N, 3, r / 2, r / 2] float32 image so far, about [0, 1]; None for the first.
            styles: this size's, by name.
            text: what cross-attention reads; None for unconditional networks.
            factors: excitations of the sizes so far, to which this one's is appended where it has one.
            noise_mode: `const` noise, `random` noise, or none.

        Returns:
            Map [N, C, r, r] in the dtype of x, and image [N, 3, r, r] in float32.
        """
        x = x if self.up is None else self.up(x)
        if self.excitation is not None:
            factors.append(self.excitation(x))
        if self.ahead and self.level >= self.ahead:
            x = x * factors[self.level - self.ahead]
        x = self.conv0(x, styles["conv0"], styles.get("conv0.kernels"), noise_mode)
        x = self.conv1(x, styles["conv1"], styles.get("conv1.kernels"), noise_mode)
        x = x if self.self_block is None else self.self_block(x)
        if self.cross_block is not None:
            assert text is not None
            x = self.cross_block(x, text)
        own = self.torgb(x, styles["torgb"], None).float()
        return x, own if rgb is None or self.up_rgb is None else self.up_rgb(rgb) + own


def _conv(
    config: GigaGANPytorchConfig, in_channels: int, out_channels: int, level: int, number: int
) -> NoisyConv:
    return NoisyConv(
        in_channels,
        out_channels,
        config.w_dim,
        kernels=config.kernels,
        resolution=config.resolutions[level],
        seed=2 * level + number,
    )


def _doubling(config: GigaGANPytorchConfig, channels: int) -> nn.Module:
    return BlurUp() if config.upsample == "blur" else ShuffleUp(channels)
