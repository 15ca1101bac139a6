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
from t2igan.losses.base import Outcome, Phase, Scores, StepInputs, mean
from t2igan.losses.config import ProjectedGANConfig
from t2igan.models.common.projected import CROP_COIN
from t2igan.ops.blur import blur_matrix, blur_sigma, blur_with
from t2igan.types import Condition

Guide = Callable[[Tensor], Tensor]  # images in [0, 1] -> embeddings [N, D] in the conditioner's space


class ProjectedGANLoss:
    """Phases D and G; with `shared_fakes` G first, whose images and features D then takes over."""

    contrasts = False

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
        self.blur: Tensor | None = None  # [R, R] of this step; None = no more
        draws = ("shared", "shared") if config.shared_fakes else ("D", "G")
        d_phase = Phase("D", "D", self.d_phase, draw=draws[0])
        g_phase = Phase("G", trains, self.g_phase, draw=draws[1])
        self.phases = [g_phase, d_phase] if config.shared_fakes else [d_phase, g_phase]

    def before_step(self, nimg: int) -> None:
        """One power iteration of the heads' spectral norms; the blur of everything that D sees after `nimg` images."""
        self.D.advance_spectral_norm()
        sigma = blur_sigma(self.config.blur_init_sigma, self.config.blur_fade_kimg, nimg)
        self.blur = blur_matrix(sigma, self.G.img_resolution, device=self.G.mapping.x_avg.device)

    def after_step(self, z: Tensor, inputs: StepInputs) -> None:
        """Move the running average of the mapping output; `z` [N, z_dim] of all ranks."""
        self.G.mapping.update_average(self.G.mapping.batch_mean(z))

    def d_phase(self, inputs: StepInputs) -> Outcome:
        """Hinge loss of D on real, generated, and (weighted) real images with wrong captions."""
        fake_logits = self.D.score(self.D.project(self._fake_features(inputs)), inputs.c)
        real_maps = self.D.project(self._features(inputs.real, inputs, of_real=True))
        real_logits = self.D.score(real_maps, inputs.c)
        loss = hinge_real(real_logits) + hinge_fake(fake_logits)
        scores = {"D/real": mean(real_logits), "D/fake": mean(fake_logits)}
        if self.config.mismatch_weight:
            logits = self.D.score(real_maps, inputs.c_wrong)
            loss = loss + self.config.mismatch_weight * hinge_fake(logits) * _differ(inputs.c, inputs.c_wrong)
            scores["D/mismatch"] = mean(logits)
        return Outcome(loss, scores)

    def g_phase(self, inputs: StepInputs) -> Outcome:
        """Adversarial loss of G plus CLIP guidance."""
        fake = self._generate(inputs)
        features = self._features(fake, inputs)
        loss = hinge_generator(self.D.score(self.D.project(features), inputs.c))
        scores = {"G/adversarial": mean(loss)}
        if self.guide is not None and self.config.clip_weight:
            guided = self._guidance(fake, inputs.c)
            loss = loss + self.config.clip_weight * guided
            scores["G/guidance"] = mean(guided)
        kept = tuple(f.detach() for f in features) if self.config.shared_fakes else ()
        return Outcome(loss, scores, kept)

    def _fake_features(self, inputs: StepInputs) -> list[Tensor]:
        if self.config.shared_fakes:
            return list(inputs.kept)
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
        return self.D.features(img if self.blur is None else blur_with(self.blur, img), u)

    def _guidance(self, fake: Tensor, c: Condition) -> Tensor:
        assert self.guide is not None
        assert c.embed is not None
        return spherical_distance(self.guide((fake + 1) / 2), c.embed)


def _differ(a: Condition, b: Condition) -> Tensor:
    """[N] 1 where two conditions differ, else 0: an equal caption is no wrong caption."""
    assert a.embed is not None
    assert b.embed is not None
    return ((a.embed - b.embed).abs().amax(1) > 1e-6).to(a.embed.dtype)
