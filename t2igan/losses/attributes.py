"""Cross-entropy on ground-truth attributes: trains the judge on real renderings with mild corruption."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2igan.losses.base import Outcome, Phase, Scores, StepInputs, mean
from t2igan.losses.config import AttributesConfig


class AttributesLoss:
    """One phase on network E, which maps images in [0, 1] to (features, {attribute: logits})."""

    num_uniforms = 4  # noise amount, blur amount, shift x, shift y

    contrasts = False

    def __init__(self, config: AttributesConfig, networks: dict[str, nn.Module]) -> None:
        self.config = config
        self.E: Any = networks["E"]
        self.scores = Scores()
        self.phases = [Phase("attributes", "E", self.judge, draw="E")]

    def before_step(self, nimg: int) -> None:
        """Nothing moves."""

    def after_step(self, z: Tensor, inputs: StepInputs) -> None:
        """Nothing moves."""

    def judge(self, inputs: StepInputs) -> Outcome:
        """Sum of cross-entropies over attributes; a label of -1 does not count. `inputs.labels` is [N, A] in the judge's order."""
        assert inputs.labels is not None
        _, logits = self.E(corrupt(inputs.real, inputs.u, noise=self.config.noise).add(1).div(2))
        total, accuracies = torch.zeros(len(inputs.real), device=inputs.real.device), {}
        for (name, scores), truth in zip(logits.items(), inputs.labels.unbind(1), strict=True):
            total = total + F.cross_entropy(scores.float(), truth, ignore_index=-1, reduction="none")
            # -1 is no class; the mean over the others without a mask, whose result would have any length
            accuracies[f"judge/{name}"] = mean(scores.argmax(1) == truth) / mean(truth >= 0)
        return Outcome(total, accuracies)


def corrupt(img: Tensor, u: Tensor, *, noise: float) -> Tensor:
    """Noise, blur and a shift of one pixel at most, so that the judge reads generated images as people do.

    Args:
        img: [N, 3, R, R] in [-1, 1].
        u: [N, 4] in [0, 1).
        noise: largest std of the noise.
    """
    blurred = F.avg_pool2d(F.pad(img, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    mix = (u[:, 1] * 1.4 - 0.4).clamp(min=0)[:, None, None, None]  # two of seven images stay sharp
    img = img.lerp(blurred, mix)
    shifts = ((u[:, 2:4] * 3).floor() - 1).long()
    padded = F.pad(img, (1, 1, 1, 1), mode="replicate")
    size = img.shape[-1]
    steps = torch.arange(size, device=img.device)
    rows = (steps + 1)[None] + shifts[:, :1]
    columns = (steps + 1)[None] + shifts[:, 1:]
    batch = torch.arange(len(img), device=img.device)[:, None, None]
    img = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return img + torch.randn_like(img) * (noise * u[:, :1, None, None])
