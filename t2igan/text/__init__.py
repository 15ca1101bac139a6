"""Text encoders: the table of conditioners. Torch-free until one is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from t2igan.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2igan.text.config import ConditionerConfig
    from t2igan.types import Conditioner

CONDITIONERS = Registry(
    "conditioner",
    {
        "clip_text": "t2igan.text.clip:ClipText",
        "small_clip": "t2igan.text.small_clip:SmallClipText",
        "hashing": "t2igan.text.hashing:Hashing",
        "none": "t2igan.text.nothing:NoText",
    },
)


def build_conditioner(
    config: ConditionerConfig,
    carried: Mapping[str, Tensor] | None = None,
    *,
    device: str | torch.device = "cpu",
) -> Conditioner:
    """Build the text encoder that a recipe or checkpoint names.

    Args:
        config: its section.
        carried: tensors that a checkpoint carries for it, if any; see `Conditioner.weights`.
        device: where it runs and where its Conditions lie.

    Raises:
        WeightsError: if its frozen weights are not on this machine.
    """
    return CONDITIONERS[config.kind](config, carried or {}, device=device)
