"""gigagan-pytorch's generator behind our interface: images in [-1, 1], psi towards the prompt's mean. Not: its training.

It departs from the paper, and from our own GigaGAN: dot-product attention, a null token, no equalised learning rate, one
number of kernels for all sizes. docs/gigagan.md says where such weights come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.models.gigagan.mapping import PROMPT_DRAWS
from t2igan.models.gigagan.text import Text
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig
from t2igan.models.gigagan_pytorch.layers import AdaptiveConv
from t2igan.models.gigagan_pytorch.sizes import Size, Styles
from t2igan.models.gigagan_pytorch.text import TextLayers
from t2igan.ops.layers import SLOPE
from t2igan.types import Condition, NoiseMode


class Mapping(nn.ModuleList):
    """The direction of z and the prompt's t_global -> w: an MLP, its weights and biases times `lr_multiplier`."""

    prompt_z: Tensor

    def __init__(self, config: GigaGANPytorchConfig) -> None:
        widths = [config.w_dim + config.text_width, *[config.w_dim] * config.mapping_layers]
        super().__init__(nn.Linear(i, o) for i, o in pairwise(widths))
        self.lr_multiplier = config.mapping_lr_multiplier
        for layer in self:
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        generator = torch.Generator().manual_seed(0)
        draws = torch.randn(PROMPT_DRAWS, config.w_dim, generator=generator, device="cpu")
        self.register_buffer("prompt_z", draws, persistent=False)

    def forward(self, z: Tensor, summary: Tensor | None) -> Tensor:
        """[N, w_dim], and [N, text_width] or None -> [N, w_dim]."""
        x = F.normalize(z, dim=1)
        x = x if summary is None else torch.cat([x, summary], dim=1)
        for layer in self:
            assert isinstance(layer, nn.Linear)
            x = F.leaky_relu(F.linear(x, layer.weight, layer.bias) * self.lr_multiplier, SLOPE)
        return x

    def prompt_mean(self, summary: Tensor | None, n: int) -> Tensor:
        """[N, w_dim] mean w of each prompt over fixed latents."""
        return torch.stack([self(z.expand(n, -1), summary) for z in self.prompt_z]).mean(dim=0)


class Generator(nn.Module):
    """The network; it satisfies t2igan.types.StyleGenerator.

    Attributes:
        truncation: psi acts in w, towards the mean of the prompt: these weights know no mean of all prompts.

    Source: gigagan-pytorch 0.3.0 (MIT), whose numbers it reproduces; tests/parity/test_gigagan_pytorch.py.
    """

    truncation: Literal["w", "z"] = "w"

    def __init__(self, config: GigaGANPytorchConfig) -> None:
        super().__init__()
        self.config = config
        self.z_dim = self.w_dim = config.w_dim
        self.c_dim, self.img_resolution, self.img_channels = config.c_dim, config.resolution, 3
        self.text = None if config.text is None else TextLayers(config.text, config.c_dim, config.text_width)
        self.map_network = Mapping(config)
        self.const = nn.Parameter(torch.randn(config.const_channels, 4, 4) * 0.02)
        self.first = AdaptiveConv(
            config.const_channels, config.const_channels, config.w_dim, kernels=config.kernels
        )
        self.sizes = nn.ModuleList(Size(config, level) for level in range(len(config.channels)))
        self.num_ws = len(list(self.style_layers()))

    def style_layers(self) -> Iterator[tuple[str, AdaptiveConv]]:
        """Name and convolution of every style, in layer order."""
        yield "first", self.first
        for size in self.sizes:
            for name, conv in size.style_layers():  # pyright: ignore[reportCallIssue]
                yield f"b{size.resolution}.{name}", conv

    def mapping(self, z: Tensor, c: Condition | Text, *, psi: float = 1.0) -> Tensor:
        """[N, z_dim] and the prompt -> ws [N, num_ws, w_dim].

        Args:
            z: latents.
            c: a Condition with CLIP tokens, or what the text layers made of one; not read without text.
            psi: truncation towards the prompt's mean; 1 = none, 0 = that mean.
        """
        text = self._read(c)
        with torch.autocast(z.device.type, enabled=False):
            summary = None if text is None else text.summary.float()
            w = self.map_network(z.float(), summary)
            if psi != 1:
                w = torch.lerp(self.map_network.prompt_mean(summary, len(z)), w, psi)
            return w[:, None].expand(-1, self.num_ws, -1)

    def styles(self, ws: Tensor) -> Styles:
        """[N, num_ws, w_dim] -> style name -> [N, channels]; `.kernels` are selection logits."""
        styles: Styles = {}
        with torch.autocast(ws.device.type, enabled=False):
            for number, (name, conv) in enumerate(self.style_layers()):
                style, logits = conv.styles(ws[:, number].float())
                styles[name] = style
                if logits is not None:
                    styles[f"{name}.kernels"] = logits
        return styles

    def synthesis(self, styles: Styles, c: Condition | Text, *, noise_mode: NoiseMode = "const") -> Tensor:
        """[N, 3, R, R] float32 from style codes and the prompt, which cross-attention reads."""
        return self.pyramid(styles, c, noise_mode=noise_mode)[0]

    def pyramid(
        self, styles: Styles, c: Condition | Text, *, noise_mode: NoiseMode = "const"
    ) -> list[Tensor]:
        """As `synthesis`, at every size: [N, 3, r, r] of r = R, ..., 8, 4."""
        text, style = self._read(c), styles["first"]
        device = self.const.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else self.const.dtype
        x = self.const.to(dtype).expand(len(style), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.first(x, style, styles.get("first.kernels"))
        rgb, images, factors = None, [], []
        for size in self.sizes:
            at = f"b{size.resolution}."
            own = {name.removeprefix(at): value for name, value in styles.items() if name.startswith(at)}
            x, rgb = size(x, rgb, own, text, factors=factors, noise_mode=noise_mode)
            images.insert(0, rgb * 2 - 1)  # the port's images are in [0, 1]
        return images

    def forward(
        self, z: Tensor, c: Condition, *, psi: float = 1.0, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """Generate [N, 3, R, R] float32 images, about [-1, 1], from latents [N, z_dim] and a Condition of N rows."""
        text = self._read(c)
        read = c if text is None else text
        return self.synthesis(self.styles(self.mapping(z, read, psi=psi)), read, noise_mode=noise_mode)

    def _read(self, c: Condition | Text) -> Text | None:
        if self.config.text_width == 0:
            return None
        if isinstance(c, Text):
            return c
        assert self.text is not None, "this network has no text layers; give it a Text"
        return self.text(c)
