"""GigaGAN's mapping network: z and the prompt's summary -> w, with truncation towards two means. Not: the text layers."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from t2igan.models.gigagan.config import GigaGANConfig
from t2igan.models.gigagan.text import Text
from t2igan.ops.layers import Dense, normalize_second_moment

AVERAGE_BETA = 0.995  # of x_avg, per step
PROMPT_DRAWS = 16  # latents whose mean w is a prompt's own


class Mapping(nn.Module):
    """w = MLP(z, t_global), every layer of which is a leaky ReLU layer as in StyleGAN2.

    Source: Kang et al. 2023, section 3.2 and appendix C.1.
    """

    x_avg: Tensor
    prompt_z: Tensor

    def __init__(self, config: GigaGANConfig, num_ws: int) -> None:
        super().__init__()
        self.num_ws = num_ws
        widths = [config.z_dim + config.text.width, *[config.w_dim] * config.mapping_layers]
        lr = config.mapping_lr_multiplier
        layers = [Dense(i, o, activation="lrelu", lr_multiplier=lr) for i, o in pairwise(widths)]
        self.mlp = nn.Sequential(*layers)
        self.register_buffer("x_avg", torch.zeros(config.w_dim))
        draws = torch.randn(
            PROMPT_DRAWS, config.z_dim, generator=torch.Generator().manual_seed(0), device="cpu"
        )
        self.register_buffer("prompt_z", draws, persistent=False)

    def forward(self, z: Tensor, text: Text, *, psi: float = 1.0, psi_global: float | None = None) -> Tensor:
        """[N, z_dim] and a Text of N rows -> ws [N, num_ws, w_dim], float32; truncation as `truncate`."""
        with torch.autocast(z.device.type, enabled=False):
            w = self.w(z, text)
            if psi != 1 or psi_global not in (None, 1):
                w = self.truncate(w, text, psi=psi, psi_global=psi if psi_global is None else psi_global)
            return w[:, None].expand(-1, self.num_ws, -1)

    def w(self, z: Tensor, text: Text) -> Tensor:
        """[N, w_dim]."""
        summary = normalize_second_moment(text.summary.float())
        return self.mlp(torch.cat([normalize_second_moment(z.float()), summary], dim=1))

    def truncate(self, w: Tensor, text: Text, *, psi: float, psi_global: float) -> Tensor:
        """Towards the mean of all prompts by `psi_global`, then towards the prompt's own mean by `psi`.

        lerp(w_prompt, lerp(w_all, w, psi_global), psi), where 1 changes nothing and psi = 0 gives w_prompt.
        """
        w = torch.lerp(self.x_avg, w, psi_global)
        return torch.lerp(self.prompt_mean(text), w, psi)

    def prompt_mean(self, text: Text) -> Tensor:
        """[N, w_dim] mean w of each prompt over fixed latents."""
        total = sum(self.w(z.expand(len(text), -1), text) for z in self.prompt_z)
        assert isinstance(total, Tensor)
        return total / len(self.prompt_z)

    @torch.no_grad()
    def update_average(self, mean: Tensor) -> None:
        """Move x_avg towards a step's mean w [w_dim] over all ranks."""
        self.x_avg.lerp_(mean, 1 - AVERAGE_BETA)
