"""CLIP's symmetric contrastive loss, for the small CLIP. Source: Radford et al. 2021, figure 3."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2igan.losses.base import Outcome, Phase, Scores, StepInputs, mean
from t2igan.losses.config import ClipContrastiveConfig


class ClipContrastiveLoss:
    """One phase on network E, which has towers `image` and `text` and a `logit_scale`."""

    num_uniforms = 0
    contrasts = False

    def __init__(self, config: ClipContrastiveConfig, networks: dict[str, nn.Module]) -> None:
        self.config = config
        self.E: Any = networks["E"]
        self.scores = Scores()
        self.phases = [Phase("contrast", "E", self.contrast, draw="E")]

    def before_step(self, nimg: int) -> None:
        """Nothing moves."""

    def after_step(self, z: Tensor, inputs: StepInputs) -> None:
        """Nothing moves."""

    def contrast(self, inputs: StepInputs) -> Outcome:
        """Mean of both directions' cross-entropies; equal captions share their targets.

        `inputs.c.ids` holds token ids [N, L].
        """
        ids = inputs.c.ids
        assert ids is not None
        image = F.normalize(self.E.image((inputs.real + 1) / 2).float(), dim=1)
        text = F.normalize(self.E.text(ids).float(), dim=1)
        scale = self.E.logit_scale.exp().clamp(max=self.config.max_logit_scale)
        logits = scale * image @ text.T
        targets = shared_targets(ids)
        hits = targets.gather(1, logits.argmax(1, keepdim=True)).gt(0)
        loss = (soft_cross_entropy(logits, targets) + soft_cross_entropy(logits.T, targets)) / 2
        return Outcome(loss, {"clip/recall_at_1": mean(hits), "clip/scale": mean(scale)})


def shared_targets(ids: Tensor) -> Tensor:
    """[N, N] rows that sum to 1, spread over all captions equal to the row's own. `ids` is [N, L]."""
    equal = (ids[:, None] == ids[None]).all(2).float()
    return equal / equal.sum(1, keepdim=True)


def image_to_text(image: Tensor, own: Tensor, captions: Tensor, *, scale: float) -> Tensor:
    """Cross-entropy of finding each image's caption among all captions; captions equal to its own do not count.

    Args:
        image: [N, D] unit embeddings.
        own: [N, D] unit embeddings of their captions.
        captions: [B, D] unit embeddings of all captions, those of `own` among them.
        scale: factor on cosines.

    Returns:
        [N].

    Source: Kang et al. 2023 (GigaGAN), equation 9.
    """
    hit = scale * (image.float() * own.float()).sum(1)
    is_own = (own[:, None] - captions[None]).abs().amax(2) < 1e-6
    others = (scale * image.float() @ captions.float().T).masked_fill(is_own, float("-inf"))
    return torch.logsumexp(torch.cat([hit[:, None], others], dim=1), dim=1) - hit


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """[N, M] logits and target distributions -> [N]."""
    return -(targets * torch.log_softmax(logits.float(), dim=1)).sum(1)
