"""The AuraSR network on published names, as plain as it can be written: a second opinion on every config of the format.

It shares nothing with the package but torch. One sample at a time; numbers in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Tensors = Mapping[str, Tensor]


class Reference:
    """Draws one picture [3, h, w] in [0, 1] from published tensors and a config.json."""

    def __init__(self, tensors: Tensors, config: Mapping[str, Any], *, logit_rows: int) -> None:
        self.t, self.config, self.logit_rows = tensors, config, logit_rows
        self.skip_scale = config.get("skip_connect_scale") or 2**-0.5
        self.mods = torch.empty(0)

    def draw(self, low: Tensor, z: Tensor) -> Tensor:
        """[3, h, w] and [z_dim] -> [3, h scale, w scale], not clamped."""
        s = z / z.norm()
        for i in range(self.config["style_network"]["depth"]):
            w, b = (self.t[f"style_network.net.{2 * i}.{kind}"] * 0.1 for kind in ("weight", "bias"))
            s = F.leaky_relu(w @ s + b, 0.2)
        self.mods = self.t["style_to_conv_modulations.weight"] @ s + self.t["style_to_conv_modulations.bias"]
        x, skips = self._conv("init_conv", low.clamp(0, 1)), []
        for i in range(len(self.config.get("down_dim_mults", (4, 8, 16)))):
            for b in range(6):
                x = self._block(f"downs.{i}.0.{b}", x)
                skips.append(x)
            x = self._transformer(f"downs.{i}.1.0", x)
            x = self._conv(f"downs.{i}.1.1", x, stride=2)
        x = self._block("mid_block1", x)
        x = self._block("mid_block2", self._transformer("mid_attn", x))
        for i in range(len(self.config.get("up_dim_mults", (1, 2, 4, 8, 16)))):
            x = x.repeat_interleave(2, 1).repeat_interleave(2, 2)
            x = self._conv(f"ups.{i}.1.0.conv", x)
            for b in range(6):
                if skips:
                    x = torch.cat([x, skips.pop() * self.skip_scale])
                x = self._block(f"ups.{i}.0.{b}", x)
            x = self._transformer(f"ups.{i}.1.1", x)
        return self._conv("final_to_rgb", self._block("final_res_block", x))

    def _conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.t[f"{name}.weight"]
        padding = weight.shape[-1] // 2
        return F.conv2d(x[None], weight, self.t.get(f"{name}.bias"), stride=stride, padding=padding)[0]

    def _take(self, count: int) -> Tensor:
        taken, self.mods = self.mods[:count], self.mods[count:]
        return taken

    def _block(self, name: str, x: Tensor) -> Tensor:
        h = x
        for part in ("block1", "block2"):
            bank = self.t[f"{name}.{part}.proj.weights"]
            scale = self._take(bank.shape[2])
            choice = self._take(self.logit_rows).softmax(0) if self.logit_rows else torch.ones(1)
            kernel = (bank * choice[:, None, None, None, None]).sum(0) * (scale + 1)[None, :, None, None]
            kernel = kernel / kernel.square().sum((1, 2, 3), keepdim=True).clamp(min=1e-8).sqrt()
            h = F.conv2d(h[None], kernel, padding=1)[0]
            h = h * h.sigmoid()
        return h + (self._conv(f"{name}.res_conv", x) if f"{name}.res_conv.weight" in self.t else x)

    def _transformer(self, name: str, x: Tensor) -> Tensor:
        layer = 0
        while f"{name}.layers.{layer}.0.norm.g" in self.t:
            x = x + self._attention(f"{name}.layers.{layer}.0", x)
            hidden = self._norm(f"{name}.layers.{layer}.1.0", x)
            hidden = F.gelu(self._conv(f"{name}.layers.{layer}.1.1", hidden))
            x = x + self._conv(f"{name}.layers.{layer}.1.3", hidden)
            layer += 1
        return x

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return x / x.norm(dim=0, keepdim=True) * len(x) ** 0.5 * self.t[f"{name}.g"][0]

    def _attention(self, name: str, x: Tensor) -> Tensor:
        heads = self.config.get("self_attn_heads", 8)
        q, k, v = self._conv(f"{name}.to_qkv", self._norm(f"{name}.norm", x)).flatten(1).chunk(3)
        q, k, v = (part.unflatten(0, (heads, -1)) for part in (q, k, v))  # [heads, d, pixels]
        weights = (torch.einsum("hdi,hdj->hij", q, k) * q.shape[1] ** -0.5).softmax(-1)
        mixed = torch.einsum("hij,hdj->hdi", weights, v).flatten(0, 1).unflatten(1, x.shape[1:])
        return self._conv(f"{name}.to_out", mixed)
