"""Upsamplers small enough to be understood, for tests of what is done with any of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.checkpoint import Header, save, with_prefix
from t2igan.models import build_upsampler
from t2igan.models.aura_sr.config import AuraSRConfig
from t2igan.text import build_conditioner
from t2igan.text.config import HashingConfig
from t2igan.types import Condition
from t2igan.upscaler.model import Upscaler

TINY_AURA_SR = AuraSRConfig(
    resolution=8,
    dim=4,
    up_mults=(1, 2, 4),
    down_mults=(4,),
    num_blocks=1,
    num_kernels=2,
    up_attention=(1, 0, 0),
    down_attention=(0,),
    mid_attention=1,
    num_heads=2,
    head_dim=4,
    z_dim=8,
    w_dim=8,
    mapping_layers=1,
)


class Nearest(nn.Module):
    """Repeats pixels, and shows what it was given: z as a colour cast, text as another, noise as noise."""

    z_dim, c_dim, img_resolution = 3, 0, 8

    def __init__(
        self,
        *,
        scale: int = 4,
        multiple: int = 2,
        z_gain: float = 0.0,
        noise_gain: float = 0.0,
        c_dim: int = 0,
        has_attention: bool = False,
    ) -> None:
        super().__init__()
        self.scale, self.multiple, self.c_dim = scale, multiple, c_dim
        self.has_attention = has_attention
        self.z_gain, self.noise_gain = z_gain, noise_gain
        self.sizes: list[tuple[int, ...]] = []
        self.latents: list[int] = []

    def forward(
        self, low: Tensor, z: Tensor, c: Condition | None = None, *, noise: Tensor | None = None
    ) -> Tensor:
        assert [side % self.multiple for side in low.shape[2:]] == [0, 0]
        assert len(z) in (1, len(low))
        self.sizes.append(tuple(low.shape))
        self.latents.append(len(z))
        img = low + self.z_gain * z[:, :, None, None]
        if noise is not None:
            assert noise.shape == low.shape
            img = img + self.noise_gain * noise
        if c is not None and c.embed is not None:
            assert len(c) == len(z)
            img = img + 0.3 * c.embed[:, :3, None, None]
        return F.interpolate(img, scale_factor=self.scale)


class Convolutional(Nearest):
    """Two random convolutions around repeated pixels: an output pixel sees 2 pixels of the input around it."""

    def __init__(self, **options: float) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        fixed = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(0.3 * torch.randn(8, 3, 3, 3, generator=fixed))
        self.last = nn.Parameter(0.2 * torch.randn(3, 8, 3, 3, generator=fixed))

    def forward(
        self, low: Tensor, z: Tensor, c: Condition | None = None, *, noise: Tensor | None = None
    ) -> Tensor:
        h = F.leaky_relu(F.conv2d(super().forward(low, z, c, noise=noise), self.first, padding=1))
        return torch.tanh(F.conv2d(h, self.last, padding=1))


class Greedy(Nearest):
    """Runs out of memory, really, where it is given more than so many pixels."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(
        self, low: Tensor, z: Tensor, c: Condition | None = None, *, noise: Tensor | None = None
    ) -> Tensor:
        img = super().forward(low, z, c, noise=noise)
        if low.shape[0] * low.shape[2] * low.shape[3] > self.most:
            torch.empty(1 << 60, dtype=torch.uint8)
        return img


class Broken(Nearest):
    """Gives NaN where the input is black."""

    def forward(
        self, low: Tensor, z: Tensor, c: Condition | None = None, *, noise: Tensor | None = None
    ) -> Tensor:
        img = super().forward(low, z, c, noise=noise)
        return img.masked_fill(img == -1, float("nan"))


def upscaler(G: Nearest) -> Upscaler:
    """The network as a checkpoint of it would be read."""
    conditioner = build_conditioner(HashingConfig(dim=G.c_dim)) if G.c_dim else None
    return Upscaler(G, conditioner, Header("upsampler"), "0" * 16, torch.device("cpu"))


def picture(height: int, width: int, *, seed: int = 0) -> Tensor:
    """[3, H, W] uint8: smooth colours, lines and noise, so that no two places look alike."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = torch.stack([torch.sin(x / 5 + y / 9), torch.cos(x / 7 - y / 4), torch.sin((x + y) / 11)])
    grain = torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))
    return ((waves * 0.4 + grain * 0.1).clamp(-1, 1) * 127.5 + 127.5).to(torch.uint8)


def tiny_aura_sr(path: Path, *, seed: int = 0) -> Path:
    """A checkpoint of a random AuraSR of 8 px; its pictures are nonsense, but depend on everything that they should."""
    torch.manual_seed(seed)
    G = build_upsampler(TINY_AURA_SR)
    header = Header("upsampler", config=TINY_AURA_SR.model_dump(mode="json"))
    save(path, with_prefix("G_ema", G.state_dict()), header)
    return path
