"""Gradient penalties, per sample. Not when they are due, nor their weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def r1_penalty(logits: Tensor, images: Sequence[Tensor]) -> Tensor:
    """Squared norm of the gradient of the summed logits with respect to each sample, twice differentiable.

    Args:
        logits: of any shape, made of `images`; no sample's may depend on another sample.
        images: tensors [N, ...] that require grad; the norm is over all of them together.

    Returns:
        [N] float32; R1 is gamma / 2 times its mean.

    Source: Mescheder et al. 2018, equation 9.
    """
    grads = torch.autograd.grad(logits.sum(), list(images), create_graph=True)
    return torch.stack([grad.float().square().flatten(1).sum(dim=1) for grad in grads]).sum(dim=0)
