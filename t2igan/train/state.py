"""Everything that a training run holds, and how one network takes one step. The order of things is loop.py's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from t2igan import dist, rng
from t2igan.losses.base import Loss, Phase, StepInputs, finite
from t2igan.recipe.schema import AdamConfig, TrainConfig
from t2igan.train.ema import Ema, ema_beta
from t2igan.train.optim import Params, rate
from t2igan.types import Batch, Condition, Conditioner


@dataclass
class TrainState:
    """Networks, optimisers and counters of one stage."""

    config: TrainConfig
    networks: dict[str, nn.Module]
    params: dict[str, Params]  # of each network, those that train; a frozen backbone's are not among them
    loss: Loss
    phases: list[tuple[Phase, nn.Module]]  # with the module that runs it: the bare phase, or DDP around it
    optimizers: dict[str, torch.optim.Optimizer]
    rates: dict[str, AdamConfig]
    conditioner: Conditioner
    ema: Ema | None
    device: torch.device
    dtype: torch.dtype  # of autocast; float32 = none
    z_dim: int
    resolution: int
    stage: int = 0
    start_nimg: int = 0  # of this stage
    stop_nimg: int = 0
    nimg: int = 0  # images seen
    step: int = 0
    bad_steps: int = 0  # non-finite steps in a row
    bad_total: int = 0

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of forward passes."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def inputs(self, phase: Phase, batch: Batch, real: Tensor, c: Condition) -> StepInputs:
        """This rank's part of a phase; every random number is a function of (seed, step, phase)."""
        place = {"rank": dist.rank(), "world": dist.world()}
        seed, n = self.config.seed, len(batch)
        z = rng.batch_normal(seed, self.step, phase.draw, n, self.z_dim, **place)
        coin = rng.batch_uniform(seed, self.step, f"{phase.draw}/coin", 1, 1)
        u = rng.batch_uniform(seed, self.step, phase.draw, n, self.loss.num_uniforms, **place)
        return StepInputs(
            real=real,
            c=c,
            c_wrong=_predecessors(c),
            z=z.to(self.device),
            u=u.to(self.device),
            coin=float(coin),
            nimg=self.nimg,
            labels=batch.labels,
        )

    def all_latents(self, batch: int) -> Tensor:
        """The last phase's latents of all ranks, [world * batch, z_dim]: drawn again, so nothing is communicated."""
        draw = self.phases[-1][0].draw
        z = rng.batch_normal(self.config.seed, self.step, draw, batch * dist.world(), self.z_dim)
        return z.to(self.device)

    @contextmanager
    def training(self, name: str) -> Iterator[None]:
        """Only network `name` requires grad inside."""
        for key, params in self.params.items():
            for param in params.values():
                param.requires_grad_(key == name)
        yield

    def apply_gradients(self, name: str) -> None:
        """One optimiser step, or none and a mark in the counters where a gradient is not finite."""
        optimizer = self.optimizers[name]
        grads = [p.grad for p in self.params[name].values() if p.grad is not None]
        if finite(grads):
            for group in optimizer.param_groups:
                group["lr"] = rate(
                    self.rates[name], nimg=self.nimg, start=self.start_nimg, stop=self.stop_nimg
                )
            optimizer.step()
        else:
            self.bad_total += 1
        optimizer.zero_grad(set_to_none=True)

    def advance(self, num_images: int) -> None:
        """Count a finished step of `num_images` images over all ranks, and let the average follow."""
        if self.ema is not None:
            beta = ema_beta(
                num_images, self.nimg, half_life_kimg=self.config.ema_kimg, rampup=self.config.ema_rampup
            )
            self.ema.update(self.networks["G"], beta)
        self.nimg += num_images
        self.step += 1


def _predecessors(c: Condition) -> Condition:
    """Each row's predecessor in the batch of all ranks; the first row's is the last."""
    return Condition(embed=_rolled(c.embed), tokens=_rolled(c.tokens), mask=_rolled(c.mask))


def _rolled(rows: Tensor | None) -> Tensor | None:
    if rows is None:
        return None
    last_rows = dist.all_gather(rows[-1:].contiguous())
    return torch.cat([last_rows[dist.rank() - 1], rows[:-1]])
