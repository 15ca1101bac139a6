"""The loss of GigaGAN's upsampler: images made small on the fly, noise on them, D's verdicts, likeness to the original.

Not how images are made small, which is the network's, nor the distances. Source: Kang et al. 2023, section 3.7.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.losses.base import StepInputs
from t2igan.losses.config import GigaGANUpsamplerLossConfig
from t2igan.losses.gigagan import GigaGANLoss, Guide
from t2igan.models.gigagan.discriminator import pyramid_of
from t2igan.ops.normal import normal_of


class GigaGANUpsamplerLoss(GigaGANLoss):
    """GigaGANLoss whose generator enlarges what was made of the real images; terms of likeness are on its largest ones.

    All noise is made of `u`, so it depends on neither ranks nor micro-batches.
    """

    config: GigaGANUpsamplerLossConfig

    def __init__(
        self,
        config: GigaGANUpsamplerLossConfig,
        networks: dict[str, nn.Module],
        guide: Guide | None = None,
        *,
        trains: Literal["G", "T"] = "G",
    ) -> None:
        super().__init__(config, networks, guide, trains=trains)
        self.perceptual: Any = networks.get("perceptual")
        self.noise_max = self.G.config.noise_max
        self.num_uniforms = 1 + 3 * self.G.img_resolution**2 if self.noise_max else 1  # strength, noise

    def after_step(self, z: Tensor, inputs: StepInputs) -> None:
        """Nothing moves: the network has no average of w."""

    def further_terms(self, fakes: list[Tensor], inputs: StepInputs) -> dict[str, tuple[float, Tensor]]:
        """Likeness to the real images, and for the log how well pixels are met, beside bicubic interpolation."""
        config, fake, real = self.config, fakes[0], inputs.real
        with torch.no_grad():
            low = self.G.shrink(real)
            plain = F.interpolate(low, size=real.shape[2:], mode="bicubic").clamp(-1, 1)
            terms = {"G/psnr": (0.0, psnr(fake, real)), "bicubic/psnr": (0.0, psnr(plain, real))}
        if config.pixel_weight:
            apart = (fake - real).abs() if config.pixel == "l1" else (fake - real).square()
            terms[f"G/{config.pixel}"] = config.pixel_weight, apart.mean(dim=(1, 2, 3))
        if self.perceptual is not None:
            terms["G/perceptual"] = config.perceptual_weight, self.perceptual(fake, real)
        return terms

    def _generate(self, inputs: StepInputs) -> list[Tensor]:
        low = self.G.shrink(inputs.real)
        strength, noise = inputs.u[:, 0] * self.noise_max, None
        if self.noise_max:
            noise = normal_of(inputs.u[:, 1:]).reshape(low.shape)
        images = self.G.pyramid(low, inputs.z, inputs.c, noise=noise, strength=strength)
        smaller = pyramid_of(images[-1], self.levels - len(images) + 1)[1:]
        return [*images, *smaller]  # D takes all sizes, and judges those from `smallest` on


def psnr(img: Tensor, real: Tensor) -> Tensor:
    """[N] peak signal-to-noise ratio in dB of images [N, 3, H, W] in [-1, 1], 100 at most; higher is more alike."""
    error = (img.detach().float() - real.float()).square().mean(dim=(1, 2, 3))
    return 10 * (math.log10(4) - error.clamp(min=4e-10).log10())
