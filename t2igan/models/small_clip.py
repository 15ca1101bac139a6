"""A small CLIP: both towers and the temperature, for training. Sampling and training GANs read the towers one by one.

Source: Radford et al. 2021; text tower and its initialisation are open_clip's.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from t2igan.features.conv_tower import ConvTower
from t2igan.models.config import SmallClipConfig
from t2igan.text.small_clip import build_tower


class SmallClip(nn.Module):
    """`image`: [N, 3, S, S] in [0, 1] -> [N, D]; `text`: ids [N, L] -> [N, D]; `logit_scale`: log of the temperature's inverse."""

    def __init__(self, config: SmallClipConfig) -> None:
        super().__init__()
        self.image = ConvTower(config.image)
        self.text, self.tokenizer = build_tower(config.text)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
