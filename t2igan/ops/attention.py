"""Attention by negative squared distance, and feature-map attention's norm. Not: projections, which are the networks'.

Written out rather than fused: R1 takes second derivatives through it, which fused kernels have not.
"""

from __future__ import annotations

import torch
from torch import Tensor


def l2_attention(q: Tensor, k: Tensor, v: Tensor, *, scale: float) -> Tensor:
    """Mean of values, weighted by softmax(-|q - k|^2 scale).

    Args:
        q: [N, h, Q, d].
        k: [N, h, K, d].
        v: [N, h, K, d].
        scale: positive factor on squared distances; d^-0.5 / sqrt(8) gives unit normal q and k logits of unit variance.

    Returns:
        [N, h, Q, d].

    Source: Kim et al. 2021 (The Lipschitz constant of self-attention), section 4; Kang et al. 2023, section 3.3.
    """
    # |q|^2 is the same for all keys of a query, and softmax does not see it.
    offset = k.float().square().sum(dim=3).mul(-scale).unsqueeze(2)  # [N, h, 1, K]
    logits = (q @ k.transpose(2, 3)) * (2 * scale) + offset
    return logits.softmax(dim=3).to(v.dtype) @ v


def dot_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention; shapes as `l2_attention`, `mask` [N, K] True where a key may be seen.

    A row whose keys are all masked gives zeros.
    """
    logits = (q @ k.transpose(2, 3)).float() * q.shape[3] ** -0.5
    if mask is None:
        return logits.softmax(dim=3).to(v.dtype) @ v
    hidden = ~mask[:, None, None]
    weights = logits.masked_fill(hidden, torch.finfo(logits.dtype).min).softmax(dim=3)
    return weights.masked_fill(hidden, 0).to(v.dtype) @ v


def rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """X / |x| sqrt(C) gain over the last dimension of [..., C], in float32, back in the dtype of x."""
    y = x.float()
    return (y * (y.square().mean(dim=-1, keepdim=True) + 1e-8).rsqrt() * gain).to(x.dtype)
