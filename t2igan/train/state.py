"""Everything that a training run holds, and how one network takes one step. The order of things is loop.py's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan import dist, rng, sharding
from t2igan.losses.base import Loss, Phase, StepInputs, finite
from t2igan.recipe.schema import AdamConfig, TrainConfig
from t2igan.train.agreement import any_rank
from t2igan.train.ema import Ema, ema_beta
from t2igan.train.optim import Params, rate
from t2igan.types import Batch, Condition, Conditioner, TrainableConditioner

# Gradients of a StyleGAN-T step at 64 px differ from float32's by 1.4 % from 1 to 1024, by 15 % at 1 / 2048, and overflow at
# 32768; larger images have smaller ones.
FP16_SAMPLE_SCALE = 64.0
EMA_KIMG_PER_IMAGE = (
    10 / 32
)  # official half-life of the average, in thousands of images an image of the batch


@dataclass
class TrainState:
    """Networks, optimisers and counters of one stage."""

    config: TrainConfig
    networks: dict[str, nn.Module]
    params: dict[str, Params]  # of each network, those that train in this stage
    loss: Loss
    phases: list[tuple[Phase, nn.Module]]  # with the module that runs it: the bare phase, or DDP around it
    optimizers: dict[str, torch.optim.Optimizer]
    rates: dict[str, AdamConfig]
    conditioner: Conditioner
    ema: dict[str, Ema]  # of G, and of T once there is one
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
    rollbacks: int = 0
    frozen: dict[str, set[str]] = field(
        default_factory=dict
    )  # of each network, what never trains: a backbone's

    @property
    def wants_rollback(self) -> bool:
        """Whether so many steps in a row were bad that the weights should go back to the last checkpoint."""
        return self.config.on_bad_steps == "rollback" and self.bad_steps >= self.config.max_bad_steps

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of forward passes."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    @property
    def loss_scale(self) -> float:
        """Factor on the loss in a backward pass, which `gradients` takes out again; 1 but for float16.

        A sample's share of a mean over 2048 images is below float16's smallest numbers once it is spread over the pixels.
        """
        return FP16_SAMPLE_SCALE * self.config.batch / dist.world() if self.dtype == torch.float16 else 1.0

    def condition(self, captions: Sequence[str]) -> Condition:
        """The conditioner's embeddings, with token ids where G reads a text encoder of its own."""
        c = self.conditioner(captions)
        if "T" not in self.networks:
            return c
        assert isinstance(self.conditioner, TrainableConditioner)
        return replace(c, ids=self.conditioner.token_ids(captions))

    def condition_of(self, batch: Batch) -> Condition:
        """The condition of a training batch: of the embeddings that came with it, or else of its captions."""
        if batch.embed is None or getattr(self.conditioner.config, "tokens", False):
            return self.condition(batch.captions)
        return Condition(embed=F.normalize(batch.embed.float(), dim=1))

    @torch.no_grad()
    def sampling_condition(self, captions: Sequence[str]) -> Condition:
        """What the averaged generator reads."""
        c = self.condition(captions)
        if "T" not in self.ema:
            return c
        return Condition(embed=F.normalize(self.ema["T"].network(c.ids).float(), dim=1))

    def due(self) -> list[tuple[Phase, nn.Module]]:
        """The phases of this step, in order."""
        return [(phase, module) for phase, module in self.phases if self.step % phase.every == 0]

    def inputs(self, phase: Phase, batch: Batch, real: Tensor, c: Condition) -> StepInputs:
        """This rank's part of a phase; every random number is a function of (seed, step, phase)."""
        place = {"rank": dist.rank(), "world": dist.world()}
        seed, n, contrasts = self.config.seed, len(batch), self.loss.contrasts
        z = rng.batch_normal(seed, self.step, phase.draw, n, self.z_dim, **place)
        coin = rng.batch_uniform(seed, self.step, f"{phase.draw}/coin", 1, 1)[0, 0]
        u = rng.batch_uniform(seed, self.step, phase.draw, n, self.loss.num_uniforms, **place)
        return StepInputs(
            real=real,
            c=c,
            c_wrong=c.map(_rolled),
            z=z.to(self.device),
            u=u.to(self.device),
            coin=coin.to(self.device),
            labels=batch.labels,
            all_embeds=torch.cat(dist.all_gather(c.embed)) if contrasts and c.embed is not None else None,
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

    def gradients(self, name: str) -> list[Tensor]:
        """This rank's part of a network's gradients after the phase's last backward pass; to be asked for once."""
        params = self.params[name].values()
        sharding.average_whole(params)
        grads = [sharding.local(p.grad) for p in params if p.grad is not None]
        if self.loss_scale != 1:
            torch._foreach_div_(grads, self.loss_scale)  # pyright: ignore[reportPrivateImportUsage]
        return grads

    def apply_gradients(self, name: str) -> None:
        """One optimiser step, or none and a mark in the counters where a gradient is not finite."""
        optimizer = self.optimizers[name]
        if not any_rank(not finite(self.gradients(name)), self.device):  # a rank may hold but a slice of each
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
        half_life = self.config.ema_kimg
        if half_life is None:
            half_life = self.config.batch * EMA_KIMG_PER_IMAGE
        beta = ema_beta(num_images, self.nimg, half_life_kimg=half_life, rampup=self.config.ema_rampup)
        for name, ema in self.ema.items():
            ema.update(self.networks[name], beta)
        self.nimg += num_images
        self.step += 1


def _rolled(rows: Tensor) -> Tensor:
    """Each row's predecessor in the batch of all ranks; the first row's is the last."""
    last_rows = dist.all_gather(rows[-1:].contiguous())
    return torch.cat([last_rows[dist.rank() - 1], rows[:-1]])
