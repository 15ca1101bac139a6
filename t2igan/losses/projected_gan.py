"""StyleGAN-T's loss: hinge on a projected discriminator, CLIP guidance, blur that fades, and mismatched captions.

Not the discriminator itself (models/common/projected.py), nor the text encoder. Source: StyleGAN-T, sections 6 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.losses.adversarial import hinge_fake, hinge_generator, hinge_real, spherical_distance
from t2igan.losses.base import Phase, Scores, StepInputs
from t2igan.losses.config import ProjectedGANConfig
from t2igan.models.common.projected import CROP_COIN
from t2igan.ops.blur import blur_sigma, gaussian_blur
from t2igan.types import Condition

Guide = Callable[[Tensor], Tensor]  # images in [0, 1] -> embeddings [N, D] in the conditioner's space


class ProjectedGANLoss:
    """Phases D and G; with `shared_fakes` G first, whose images and features D then takes over."""

    def __init__(
        self,
        config: ProjectedGANConfig,
        networks: dict[str, nn.Module],
        guide: Guide | None = None,
        *,
        trains: Literal["G", "T"] = "G",
    ) -> None:
        self.config = config
        self.G: Any = networks["G"]
        self.D: Any = networks["D"]
        self.T: Any = networks.get("T")  # the text encoder that only G reads, once one has been trained
        self.guide = guide
        self.num_uniforms = 2 * self.D.num_uniforms  # one set for generated, one for real images
        self.scores = Scores()
        d_phase = Phase("D", "D", self.d_loss, draw="shared" if config.shared_fakes else "D")
        g_phase = Phase("G", trains, self.g_loss, draw="shared" if config.shared_fakes else "G")
        self.phases = [g_phase, d_phase] if config.shared_fakes else [d_phase, g_phase]
        self._kept: dict[int, list[Tensor]] = {}  # micro-batch -> features of its generated images

    def before_step(self, nimg: int) -> None:
        """One power iteration of the heads' spectral norms."""
        del nimg
        self.D.advance_spectral_norm()

    def after_step(self, z: Tensor) -> None:
        """Move the running average of the mapping output; `z` [N, z_dim] of all ranks."""
        self.G.mapping.update_average(self.G.mapping.batch_mean(z))

    def d_loss(self, inputs: StepInputs) -> Tensor:
        """[n] hinge loss of D on real, generated, and (weighted) real images with wrong captions."""
        fake = self._fake_features(inputs)
        fake_logits = self.D.score(self.D.project(fake), inputs.c)
        real = self._features(inputs.real, inputs, of_real=True)
        real_maps = self.D.project(real)
        real_logits = self.D.score(real_maps, inputs.c)
        self.scores.add("D/real", real_logits)
        self.scores.add("D/fake", fake_logits)
        loss = hinge_real(real_logits) + hinge_fake(fake_logits)
        if self.config.mismatch_weight:
            loss = loss + self.config.mismatch_weight * self._mismatch(real_maps, inputs)
        return loss

    def g_loss(self, inputs: StepInputs) -> Tensor:
        """[n] adversarial loss of G plus CLIP guidance."""
        fake = self._generate(inputs)
        features = self._features(fake, inputs)
        if self.config.shared_fakes:
            self._kept[inputs.piece] = [f.detach() for f in features]
        loss = hinge_generator(self.D.score(self.D.project(features), inputs.c))
        self.scores.add("G/adversarial", loss)
        if self.guide is not None and self.config.clip_weight:
            guided = self._guidance(fake, inputs.c)
            self.scores.add("G/guidance", guided)
            loss = loss + self.config.clip_weight * guided
        return loss

    def _fake_features(self, inputs: StepInputs) -> list[Tensor]:
        if self.config.shared_fakes:
            return self._kept.pop(inputs.piece)
        with torch.no_grad():
            return self._features(self._generate(inputs), inputs)

    def _generate(self, inputs: StepInputs) -> Tensor:
        return self.G(inputs.z, self._prompt(inputs.c), noise_mode=self.config.noise_mode)

    def _prompt(self, c: Condition) -> Condition:
        """What G reads: the conditioner's embedding, or that of the text encoder of its own."""
        if self.T is None:
            return c
        assert c.ids is not None
        return Condition(embed=F.normalize(self.T(c.ids).float(), dim=1))

    def _features(self, img: Tensor, inputs: StepInputs, *, of_real: bool = False) -> list[Tensor]:
        half = self.D.num_uniforms
        u = inputs.u[:, half:].clone() if of_real else inputs.u[:, :half].clone()
        u[:, CROP_COIN] = inputs.coin  # real and generated images are both cropped, or neither (spec D13)
        sigma = blur_sigma(self.config.blur_init_sigma, self.config.blur_fade_kimg, inputs.nimg)
        return self.D.features(gaussian_blur(img, sigma), u)

    def _mismatch(self, real_maps: list[Tensor], inputs: StepInputs) -> Tensor:
        logits = self.D.score(real_maps, inputs.c_wrong)
        self.scores.add("D/mismatch", logits)
        return hinge_fake(logits) * _differ(inputs.c, inputs.c_wrong)

    def _guidance(self, fake: Tensor, c: Condition) -> Tensor:
        assert self.guide is not None
        assert c.embed is not None
        return spherical_distance(self.guide((fake + 1) / 2), c.embed)


def _differ(a: Condition, b: Condition) -> Tensor:
    """[N] 1 where two conditions differ, else 0: an equal caption is no wrong caption."""
    assert a.embed is not None
    assert b.embed is not None
    return ((a.embed - b.embed).abs().amax(1) > 1e-6).to(a.embed.dtype)
