"""Losses: the table. Torch-free until one is built."""

from __future__ import annotations

from t2igan.registry import Registry

LOSSES = Registry(
    "loss",
    {
        "projected_gan": "t2igan.losses.projected_gan:ProjectedGANLoss",
        "gigagan": "t2igan.losses.gigagan:GigaGANLoss",
        "gigagan_upsampler": "t2igan.losses.gigagan_upsampler:GigaGANUpsamplerLoss",
        "clip_contrastive": "t2igan.losses.contrastive:ClipContrastiveLoss",
        "attributes": "t2igan.losses.attributes:AttributesLoss",
    },
)
