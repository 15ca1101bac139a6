"""Text tokens of an open_clip text transformer: what one of its last layers gives. Not: pooling, nor learned text layers.

The final norm is applied to them, as Stable Diffusion 2 does; GigaGAN's paper names the layer and says no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from t2igan.types import Condition

TokenLayer = Literal["penultimate", "last"]


def encode_with_tokens(
    model: Any, ids: Tensor, encode: Callable[[Tensor], Tensor], *, layer: TokenLayer = "penultimate"
) -> Condition:
    """One pass for both: the pooled embedding, and tokens up to the end token.

    Args:
        model: has `transformer.resblocks` and `ln_final`, batch first.
        ids: [N, L] int64; the end token has the largest id.
        encode: ids -> embeddings [N, D], through `model`.
        layer: whose output the tokens are.

    Returns:
        embed [N, D] as `encode` gives it, tokens [N, L, width] float32 and mask [N, L]. Always the whole context, so that
        tokens of several ranks have one shape.
    """
    seen: list[Tensor] = []
    blocks = model.transformer.resblocks
    number = max(len(blocks) - (1 if layer == "last" else 2), 0)
    hook = blocks[number].register_forward_hook(lambda _, __, out: seen.append(out))
    try:
        embed = encode(ids)
    finally:
        hook.remove()
    mask = torch.arange(ids.shape[1], device=ids.device) <= ids.argmax(dim=1)[:, None]
    return Condition(embed=embed, tokens=model.ln_final(seen[0]).float(), mask=mask)
