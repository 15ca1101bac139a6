"""Networks that are trained with supervision: the small CLIP and the judge. Torch-free until one is built."""

from __future__ import annotations

from typing import Any

from t2igan.models.config import EncoderConfig
from t2igan.registry import Registry

ENCODERS = Registry(
    "encoder", {"small_clip": "t2igan.models.small_clip:SmallClip", "judge": "t2igan.features.judge:JudgeNet"}
)
KINDS = {"small_clip": "clip", "judge": "judge"}  # encoder architecture -> kind of checkpoint


def build_encoder(config: EncoderConfig) -> Any:
    """The network that a recipe's `encoder` section names, with random weights."""
    return ENCODERS[config.arch](config)
