"""GigaGAN's loss: verdicts of every size and depth, wrong captions, R1, CLIP contrast, a second discriminator.

Not the discriminators themselves (models/gigagan), nor the text encoder. Source: Kang et al. 2023, sections 3.4 to 3.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan import dist
from t2igan.losses.adversarial import logistic_fake, logistic_generator, logistic_real
from t2igan.losses.base import Outcome, Phase, Scores, StepInputs, mean
from t2igan.losses.config import GigaGANLossConfig
from t2igan.losses.contrastive import image_to_text
from t2igan.losses.penalties import r1_penalty
from t2igan.models.gigagan.discriminator import Features, Verdicts, pyramid_of
from t2igan.types import Condition

Term = Callable[[Tensor], Tensor]  # logits [N, pixels] -> [N]
Guide = Callable[[Tensor], Tensor]  # images in [0, 1] -> embeddings [N, D] in the conditioner's space


class GigaGANLoss:
    """Phases D_r1 (every few steps), G and D; with `shared_fakes` D learns on G's images instead of new ones."""

    num_uniforms = 1  # none are read, but a batch of them must exist

    def __init__(
        self,
        config: GigaGANLossConfig,
        networks: dict[str, nn.Module],
        guide: Guide | None = None,
        *,
        trains: Literal["G", "T"] = "G",
    ) -> None:
        self.config, self.guide = config, guide
        self.G: Any = networks["G"]
        self.D: Any = networks["D"]
        self.scores = Scores()
        self.levels = len(self.D.stages)
        self.contrasts = guide is not None and config.clip_weight > 0
        draws = ("shared", "shared") if config.shared_fakes else ("D", "G")
        g, d = Phase("G", trains, self.g_phase, draw=draws[1]), Phase("D", "D", self.d_phase, draw=draws[0])
        self.phases = [g, d] if config.shared_fakes else [d, g]
        if config.r1_gamma:
            r1 = Phase(
                "D_r1", "D", self.r1_phase, draw="D", every=config.r1_every, steps=False, compiles=False
            )
            self.phases.insert(0, r1)

    def before_step(self, nimg: int) -> None:
        """Nothing moves."""

    @torch.no_grad()
    def after_step(self, z: Tensor, inputs: StepInputs) -> None:
        """Move the running average of w, over all prompts and latents of the last phase; the mean of all ranks."""
        average = self.G.map_network
        total = average.w(inputs.z, self.G.text(inputs.c)).mean(dim=0)
        dist.all_reduce_mean([total])
        average.update_average(total)

    def r1_phase(self, inputs: StepInputs) -> Outcome:
        """R1 on real images of every size: gamma / 2 |dD/dx|^2, times the interval. In float32."""
        with torch.autocast(inputs.real.device.type, enabled=False):
            pyramid = [img.detach().requires_grad_() for img in pyramid_of(inputs.real.float(), self.levels)]
            # views, as torch's FLOP counter cannot watch modules whose inputs autograd.grad is asked for
            seen = [img.view_as(img) for img in pyramid]
            verdicts = self.D.score(Features(self.D.trunk(seen)), inputs.c)
            penalty = r1_penalty(verdicts.means(), pyramid[: self.D.config.num_judged])
        return Outcome(penalty * (self.config.r1_gamma / 2 * self.config.r1_every), {"D/r1": mean(penalty)})

    def d_phase(self, inputs: StepInputs) -> Outcome:
        """Real against generated images with their captions, and both with wrong captions as fakes."""
        fakes = list(inputs.kept) or self._fakes(inputs)
        reals = pyramid_of(inputs.real, self.levels)
        features = self.D.features([torch.cat(pair) for pair in zip(reals, fakes, strict=True)], kinds=2)
        verdicts = self.D.score(features, inputs.c)
        real, fake = verdicts.of(0), verdicts.of(1)
        loss = self._weigh(real, logistic_real) + self._weigh(fake, logistic_fake)
        scores = {"D/real": mean(real.exits[-1]), "D/fake": mean(fake.exits[-1])}
        if self.config.match_weight:
            wrong = self.D.score(features, inputs.c_wrong)
            matching = self._weigh(wrong.of(0), logistic_fake, matching=True)
            if self.config.match_generated:
                matching = matching + self._weigh(wrong.of(1), logistic_fake, matching=True)
            loss = loss + self.config.match_weight * matching * _differ(inputs.c, inputs.c_wrong)
            scores["D/mismatch"] = mean(wrong.of(0).exits[-1])
        return Outcome(loss, scores)

    def g_phase(self, inputs: StepInputs) -> Outcome:
        """Non-saturating loss of G on every verdict, plus the contrast of its images with all captions."""
        fakes = self._generate(inputs)
        features = self.D.features(fakes)
        verdicts = self.D.score(features, inputs.c).of(0)
        loss = self._weigh(verdicts, logistic_generator)
        scores = {"G/adversarial": mean(loss)}
        if self.config.match_weight_g:
            wrong = self.D.score(features, inputs.c_wrong).of(0)
            matching = self._weigh(wrong, logistic_generator, matching=True)
            loss = loss + self.config.match_weight_g * matching * _differ(inputs.c, inputs.c_wrong)
        if self.guide is not None and self.config.clip_weight:
            assert inputs.c.embed is not None
            assert inputs.all_embeds is not None
            seen = F.normalize(self.guide((fakes[0] + 1) / 2).float(), dim=1)
            guided = image_to_text(seen, inputs.c.embed, inputs.all_embeds, scale=self.config.clip_scale)
            loss = loss + self.config.clip_weight * guided
            scores["G/guidance"] = mean(guided)
        for name, (weight, term) in self.further_terms(fakes, inputs).items():
            loss = loss + weight * term if weight else loss
            scores[name] = mean(term)
        kept = tuple(img.detach() for img in fakes) if self.config.shared_fakes else ()
        return Outcome(loss, scores, kept)

    def further_terms(self, fakes: list[Tensor], inputs: StepInputs) -> dict[str, tuple[float, Tensor]]:
        """What a loss built on this one adds to G's: name in the log -> weight, 0 to be logged alone, and term [N]."""
        del fakes, inputs
        return {}

    @torch.no_grad()
    def _fakes(self, inputs: StepInputs) -> list[Tensor]:
        return self._generate(inputs)

    def _generate(self, inputs: StepInputs) -> list[Tensor]:
        text = self.G.text(inputs.c)
        styles = self.G.styles(self.G.mapping(inputs.z, text))
        return self.G.pyramid(styles, text, noise_mode=self.config.noise_mode)

    def _weigh(self, verdicts: Verdicts, term: Term, *, matching: bool = False) -> Tensor:
        config = self.config
        early = config.early_match_weight if matching else config.early_weight
        vision = 0.0 if matching else config.vision_weight
        return weigh(verdicts, term, full=config.full_weight, early=early, vision=vision)


def weigh(verdicts: Verdicts, term: Term, *, full: float, early: float, vision: float) -> Tensor:
    """[N] sum over sizes and depths of a term's mean over pixels, and of its mean over taps.

    Args:
        verdicts: of one image of each prompt.
        term: of logits, as in adversarial.py.
        full: weight of the largest size, where each other counts 1; together they are scaled to a sum of 1.
        early: weight of every depth but the last, which counts 1.
        vision: weight of the second discriminator.

    Source: Kang et al. 2023, equation 6.
    """
    sizes, parts = full + len(verdicts.exits[-1]) - 1, []
    for number, logits in enumerate(verdicts.exits):
        weight = (1.0 if number == len(verdicts.exits) - 1 else early) / sizes
        for size, of_size in enumerate(logits[:, 0]):
            parts.append((full if size == 0 else 1.0) * weight * term(of_size))
    if verdicts.vision and vision:
        taps = torch.stack([term(logits[0]) for logits in verdicts.vision])
        parts.append(vision * taps.mean(dim=0))
    return torch.stack(parts).sum(dim=0)


def _differ(a: Condition, b: Condition) -> Tensor:
    """[N] 1 where two conditions differ, else 0: an equal caption is no wrong caption."""
    assert a.tokens is not None
    assert b.tokens is not None
    return ((a.tokens - b.tokens).abs().amax(dim=(1, 2)) > 1e-6).float()
