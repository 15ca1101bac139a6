"""The mapping MLP of a text-conditional StyleGAN with its moving average and truncation. Not: synthesis."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from t2igan.ops.layers import Dense, normalize_second_moment
from t2igan.types import Condition

AVERAGE_BETA = 0.995  # of x_avg, per update


class Mapping(nn.Module):
    """z -> x through an MLP; w = [x, text]. The text does not pass through the MLP and is never truncated.

    Args:
        z_dim: length of the latent and of x.
        c_dim: length of the text embedding; 0 = unconditional.
        num_ws: how many layers read a w.
        num_layers: of the MLP; the last one is linear.
        lr_multiplier: of the MLP.
        text_gain: factor on the text embedding inside w.
        average_updates: `per_call` moves x_avg on every training-mode call; `per_step` only in `update_average`.
    """

    x_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        *,
        num_ws: int,
        num_layers: int = 2,
        lr_multiplier: float = 0.01,
        text_gain: float = 1.0,
        average_updates: Literal["per_step", "per_call"] = "per_call",
    ) -> None:
        super().__init__()
        self.c_dim = c_dim
        self.num_ws = num_ws
        self.text_gain = text_gain
        self.average_updates = average_updates
        self.mlp = nn.Sequential()
        for i in range(num_layers):
            activation = "linear" if i == num_layers - 1 else "lrelu"
            self.mlp.add_module(
                f"fc{i}", Dense(z_dim, z_dim, activation=activation, lr_multiplier=lr_multiplier)
            )
        self.register_buffer("x_avg", torch.zeros(z_dim))

    def forward(self, z: Tensor, c: Condition, *, psi: float = 1.0) -> Tensor:
        """[N, z_dim] and a Condition -> ws [N, num_ws, z_dim + c_dim], float32."""
        with torch.autocast(z.device.type, enabled=False):
            x = self._x(z)
            if self.training and self.average_updates == "per_call":
                self.x_avg.lerp_(x.detach().mean(dim=0), 1 - AVERAGE_BETA)
            if psi != 1:
                x = self.x_avg + psi * (
                    x - self.x_avg
                )  # only the z half: truncating the text would drift off the prompt
            w = x if self.c_dim == 0 else torch.cat([x, self._text(c)], dim=1)
            return w[:, None].repeat(1, self.num_ws, 1)

    @torch.no_grad()
    def batch_mean(self, z: Tensor) -> Tensor:
        """[z_dim] mean of the MLP's output over latents [N, z_dim]; average it over ranks before `update_average`."""
        with torch.autocast(z.device.type, enabled=False):
            return self._x(z).mean(dim=0)

    @torch.no_grad()
    def update_average(self, mean: Tensor) -> None:
        """Move x_avg towards a step's batch mean [z_dim]; nothing in mode per_call, where calls have moved it."""
        if self.average_updates == "per_step":
            self.x_avg.lerp_(mean, 1 - AVERAGE_BETA)

    def _x(self, z: Tensor) -> Tensor:
        return self.mlp(normalize_second_moment(z.float()))

    def _text(self, c: Condition) -> Tensor:
        assert c.embed is not None, "this generator is text-conditional"
        assert c.embed.shape[1] == self.c_dim, f"this generator needs [N, {self.c_dim}] text embeddings"
        embed = c.embed.float()
        return embed if self.text_gain == 1 else embed * self.text_gain
