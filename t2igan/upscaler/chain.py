"""A generator followed by upsamplers, used like the generator alone. Not a network of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from t2igan.types import NoiseMode
from t2igan.upscaler.model import Upscaler
from t2igan.upscaler.tiling import Tiling

MAX_PIXELS = 1 << 26  # of images that are enlarged together: 16 of 2048 px, 200 MB


class Draws(Protocol):
    """What draws the small images: a TextToImage."""

    @property
    def resolution(self) -> int:
        """Side of its images."""
        ...

    def stream(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        psi: float = 1.0,
        psi_global: float | None = None,
        noise_mode: NoiseMode = "const",
        batch_size: int = 64,
    ) -> Iterator[Tensor]:
        """Batches of [n, 3, R, R] uint8."""
        ...

    def cut(self, prompt: str) -> str:
        """The end of a prompt that it cannot read."""
        ...


@dataclass(frozen=True)
class Chain:
    """Draws with `base`, then enlarges with each upscaler in turn; prompts reach those that read text.

    >>> chain = TextToImage.from_checkpoint().then(Upscaler.from_checkpoint("x4.safetensors"))
    >>> chain.generate(["a small red circle on a white background"], seeds=[0])   # uint8 [1, 3, 4 R, 4 R]
    """

    base: Draws
    upscalers: tuple[Upscaler, ...]
    tiling: Tiling = field(default_factory=Tiling)

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        side = self.base.resolution
        for upscaler in self.upscalers:
            side *= upscaler.G.scale
        return side

    def then(self, upscaler: Upscaler) -> Chain:
        """The same chain with one more upscaler at its end."""
        return replace(self, upscalers=(*self.upscalers, upscaler))

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        psi: float = 1.0,
        psi_global: float | None = None,
        noise_mode: NoiseMode = "const",
        batch_size: int = 64,
    ) -> Tensor:
        """As `TextToImage.generate`, larger: [N, 3, R, R] uint8 on the CPU, R = `resolution`."""
        how: dict[str, Any] = {"psi": psi, "psi_global": psi_global, "noise_mode": noise_mode}
        return torch.cat(list(self.stream(prompts, seeds, **how, batch_size=batch_size)))

    def stream(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        psi: float = 1.0,
        psi_global: float | None = None,
        noise_mode: NoiseMode = "const",
        batch_size: int = 64,
    ) -> Iterator[Tensor]:
        """As `generate`, some images at a time: as many as a batch has, fewer where they are large."""
        start, most = 0, max(1, MAX_PIXELS // self.resolution**2)
        how: dict[str, Any] = {"psi": psi, "psi_global": psi_global, "noise_mode": noise_mode}
        for batch in self.base.stream(prompts, seeds, **how, batch_size=batch_size):
            for images in batch.split(most):
                span = slice(start, start + len(images))
                yield self._enlarge(images, prompts[span], seeds[span])
                start += len(images)

    def cut(self, prompt: str) -> str:
        """The end of a prompt that does not fit the generator's text encoder, or an empty string."""
        return self.base.cut(prompt)

    def _enlarge(self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> Tensor:
        for upscaler in self.upscalers:
            texts = prompts if upscaler.reads_text else None
            images = upscaler.run(images, self.tiling, seeds=seeds, prompts=texts).images
        return images
