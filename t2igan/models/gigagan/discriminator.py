"""The GigaGAN discriminator: every resolution enters where it fits and is judged at every depth after. Not: its losses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.gigagan.attention import SelfAttention, to_maps, to_pixels
from t2igan.models.gigagan.config import GigaGANDiscriminatorConfig
from t2igan.models.gigagan.predictor import Predictor
from t2igan.models.gigagan.text import Text, TextLayers
from t2igan.models.gigagan.vision import VisionAided
from t2igan.ops.equal_conv import EqualConv
from t2igan.ops.layers import Dense
from t2igan.ops.minibatch_std import minibatch_std
from t2igan.types import Condition

HALF = math.sqrt(0.5)  # keeps the variance of a sum of two


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a skip; `down` 2 halves the size."""

    def __init__(self, in_channels: int, out_channels: int, down: int) -> None:
        super().__init__()
        self.conv0 = EqualConv(in_channels, in_channels, kernel=3)
        self.conv1 = EqualConv(in_channels, out_channels, kernel=3, down=down)
        self.skip = (
            EqualConv(in_channels, out_channels, kernel=1, down=down, activation="linear", bias=False)
            if down > 1
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] -> [N, O, H / down, W / down]."""
        return (self.conv1(self.conv0(x)) + self.skip(x)) * HALF


class Flatten(nn.Module):
    """The last stage's end: a convolution, then all 4 x 4 positions into one."""

    def __init__(self, channels: int, size: int, std_group: int) -> None:
        super().__init__()
        self.std_group = std_group
        self.conv = EqualConv(channels + bool(std_group), channels, kernel=3)
        self.dense = Dense(channels * size * size, channels, activation="lrelu")

    def forward(self, x: Tensor, samples: int) -> Tensor:
        """[N, C, 4, 4], of which so many consecutive ones are alike, -> [N, C, 1, 1]."""
        if self.std_group:
            x = minibatch_std(x, self.std_group, samples=samples)
        return self.dense(self.conv(x).flatten(1))[:, :, None, None]


class Stage(nn.Module):
    """From one size of feature map to the next: self-attention, residual blocks, and a halving one."""

    def __init__(self, config: GigaGANDiscriminatorConfig, resolution: int) -> None:
        super().__init__()
        channels, is_last = config.channels(resolution), resolution == config.resolutions[0]
        self.gain = config.attention_gain
        is_judged = config.resolutions[-1] // resolution < 1 << config.num_judged
        self.from_rgb = EqualConv(3, channels, kernel=1) if is_judged else None
        self.attention = nn.ModuleList(
            SelfAttention(channels, config.head_dim) for _ in range(config.attention.get(resolution, 0))
        )
        extra = config.blocks_at(resolution) - 1
        self.blocks = nn.Sequential(*(ResidualBlock(channels, channels, 1) for _ in range(extra)))
        self.channels = channels if is_last else config.channels(resolution // 2)
        self.end = (
            Flatten(channels, resolution, config.minibatch_std)
            if is_last
            else ResidualBlock(channels, self.channels, 2)
        )

    def forward(self, x: Tensor | None, img: Tensor, kinds: int = 1) -> Tensor:
        """Maps [M, C, r, r] from the stage before and images [N, 3, r, r] -> [M + N, C', r / 2, r / 2], or without N.

        Images enter where their size is judged. N / kinds of them are real ones, as many generated ones, ...
        """
        if self.from_rgb is not None:
            entering = self.from_rgb(img.to(memory_format=torch.channels_last))
            x = entering if x is None else torch.cat([x, entering])
        assert x is not None
        if self.attention:
            pixels = to_pixels(x)
            for layer in self.attention:
                pixels = pixels + self.gain * layer(pixels)
            x = to_maps(pixels, x).to(x.dtype)
        x = self.blocks(x)
        return self.end(x, len(img) // kinds) if isinstance(self.end, Flatten) else self.end(x)


@dataclass(frozen=True)
class Verdicts:
    """Logits by the size that entered and the depth at which it was judged, pixel by pixel; high = real."""

    exits: list[
        Tensor
    ]  # depth j (0 = first) -> [sizes that have entered by then, images of a prompt, prompts, pixels]
    vision: list[Tensor] = field(
        default_factory=list
    )  # tap of the second discriminator -> [images, prompts, pixels]

    def means(self) -> Tensor:
        """[K, images of all prompts], over the pixels of every size and depth, and of every tap."""
        sizes = [e.mean(dim=3).flatten(1) for e in self.exits]
        return torch.cat(sizes + [v.mean(dim=2).reshape(1, -1) for v in self.vision])

    def of(self, number: int) -> Verdicts:
        """Of each prompt's image number `number`: exits [sizes, 1, prompts, pixels], vision [1, prompts, pixels]."""
        cut = slice(number, number + 1)
        return Verdicts([e[:, cut] for e in self.exits], [v[cut] for v in self.vision])


@dataclass(frozen=True)
class Features:
    """What D sees of images, before any text: the costly part, shared by all captions."""

    maps: list[Tensor]  # depth j -> [levels N, C, h, w], level after level
    vision: list[Tensor] | None = None


class Discriminator(nn.Module):
    """Scores pyramids of images against prompts in two steps, so that other captions cost only the second one.

    Source: Kang et al. 2023, sections 3.4 and 3.5: L (L + 1) / 2 verdicts of L sizes.
    """

    def __init__(self, config: GigaGANDiscriminatorConfig) -> None:
        super().__init__()
        self.config, self.c_dim = config, config.c_dim
        self.text = TextLayers(config.text, config.c_dim)
        sizes = config.resolutions[::-1]
        stages = [Stage(config, r) for r in sizes]
        self.stages = nn.ModuleList(stages)
        judged = range(len(sizes)) if config.multi_scale else (len(sizes) - 1,)
        self.predictors = nn.ModuleDict(
            {
                str(j): Predictor(stages[j].channels, config.text.width, config.predictor_layers)
                for j in judged
            }  # pyright: ignore
        )
        self.vision = VisionAided(config) if config.vision_aided else None

    def train(self, mode: bool = True) -> Discriminator:
        """Set the mode; a frozen network inside stays in evaluation mode."""
        super().train(mode)
        if self.vision is not None:
            self.vision.backbone.eval()
        return self

    def features(self, pyramid: list[Tensor], *, kinds: int = 1) -> Features:
        """Images -> features.

        Args:
            pyramid: images [N, 3, r, r] in [-1, 1] of r = R, ..., 8, 4, the largest first.
            kinds: N / kinds real images come first, then as many generated ones, ...; minibatch statistics keep them apart.
        """
        seen = None if self.vision is None else self.vision.features(pyramid[0])
        return Features(self.trunk(pyramid, kinds=kinds), seen)

    def trunk(self, pyramid: list[Tensor], *, kinds: int = 1) -> list[Tensor]:
        """The maps of `features`, without the second discriminator."""
        x, maps = None, []
        for stage, img in zip(self.stages, pyramid, strict=True):
            x = stage(x, img, kinds)
            maps.append(x)
        return maps

    def score(self, features: Features, c: Condition | Text) -> Verdicts:
        """Features of M N images and N prompts, image n having prompt n modulo N -> logits."""
        summary = self.text(c).summary
        exits = [
            predictor(features.maps[int(j)], summary).unflatten(0, (self._sizes_at(int(j)), -1))
            for j, predictor in self.predictors.items()
        ]
        if self.vision is None or features.vision is None:
            return Verdicts(exits)
        return Verdicts(exits, self.vision.score(features.vision, summary))

    def forward(self, img: Tensor, c: Condition) -> Tensor:
        """Images [N, 3, R, R] in [-1, 1] and prompts -> logits [N, K] of every size and depth."""
        return self.score(self.features(pyramid_of(img, len(self.stages))), c).means().T

    def _sizes_at(self, depth: int) -> int:
        """Sizes that have entered by a depth."""
        return min(depth + 1, self.config.num_judged)


def pyramid_of(img: Tensor, levels: int) -> list[Tensor]:
    """Images [N, 3, R, R] -> the same at R, R / 2, ...; each pixel is the mean of those that it covers."""
    images = [img]
    for _ in range(levels - 1):
        images.append(F.avg_pool2d(images[-1], 2))
    return images
