"""Feature maps from several depths of a frozen open_clip image tower: GigaGAN's second discriminator sees them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from t2igan import weights
from t2igan.errors import UsageError
from t2igan.features.config import ClipTapsConfig


class ClipTaps(nn.Module):
    """Patch tokens after chosen blocks of an open_clip vision transformer, as maps.

    Raises:
        WeightsError: if the model or tag is unknown, or the weights are not on this machine.
        UsageError: if its image tower is no vision transformer, or a tap lies beyond its last block.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ClipTapsConfig) -> None:
        super().__init__()
        model = weights.open_clip_model(
            config.model, pretrained=config.pretrained, quick_gelu=config.quick_gelu
        )
        self.visual: Any = model.visual.eval().requires_grad_(False)
        blocks = getattr(getattr(self.visual, "transformer", None), "resblocks", ())
        if not blocks or not all(0 <= tap < len(blocks) for tap in config.taps):
            raise UsageError(
                f"backbone {config.model!r} has image blocks 0..{len(blocks) - 1}; taps {config.taps} do not fit. "
                "Choose a vision transformer, such as ViT-B-32, and taps within it."
            )
        self.taps = list(config.taps)
        size = self.visual.image_size
        self.image_size = size[0] if isinstance(size, tuple) else int(size)
        self.channels = (self.visual.conv1.out_channels,) * len(config.taps)
        told = self.visual.preprocess_cfg
        self.register_buffer("mean", torch.tensor(told["mean"])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(told["std"])[:, None, None], persistent=False)

    def forward(self, img: Tensor) -> list[Tensor]:
        """[N, 3, S, S] in [0, 1] -> one [N, C, S / patch, S / patch] map a tap, in the order of `taps`."""
        found = self.visual.forward_intermediates(
            (img - self.mean) / self.std, indices=self.taps, stop_early=True, intermediates_only=True
        )
        maps = dict(zip(sorted(set(self.taps)), found["image_intermediates"], strict=True))
        return [maps[tap] for tap in self.taps]
