"""What a loss is: a list of phases, each saying which network it trains and how to get a per-sample loss.

Not a training loop: a loss never calls backward, an optimiser or the data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from t2igan.types import Condition


@dataclass(frozen=True)
class StepInputs:
    """What a phase sees of one step, or of one micro-batch of it."""

    real: Tensor  # [N, 3, R, R] in [-1, 1]
    c: Condition  # of the real images
    c_wrong: Condition  # of other images: each row's predecessor in the batch of all ranks
    z: Tensor  # [N, z_dim] normal
    u: Tensor  # [N, num_uniforms] in [0, 1): every other random number that the phase needs
    coin: Tensor  # [] one more, the same for all rows, micro-batches and ranks
    labels: Tensor | None = None  # [N, A] int64
    all_embeds: Tensor | None = (
        None  # [B, D] c.embed of all ranks and micro-batches, where the loss `contrasts`
    )
    kept: tuple[Tensor, ...] = ()  # what the phase before has kept of this micro-batch

    def split(self, size: int) -> list[StepInputs]:
        """Cut into consecutive micro-batches of at most `size` images."""
        cuts = [slice(start, start + size) for start in range(0, len(self.real), size)]
        return [
            StepInputs(
                real=self.real[cut],
                c=self.c.index(cut),
                c_wrong=self.c_wrong.index(cut),
                z=self.z[cut],
                u=self.u[cut],
                coin=self.coin,
                labels=None if self.labels is None else self.labels[cut],
                all_embeds=self.all_embeds,
            )
            for cut in cuts
        ]


@dataclass(frozen=True)
class Outcome:
    """What a phase computes of a micro-batch. It leaves everything else as it was, so that it can be compiled."""

    loss: Tensor  # [n] per sample
    scores: dict[str, Tensor] = field(default_factory=dict)  # [] numbers to be logged, see `mean`
    kept: tuple[Tensor, ...] = ()  # for the next phase of the same micro-batch


@dataclass(frozen=True)
class Phase:
    """One forward-backward-step of a training step."""

    name: str
    trains: str  # key of the network whose weights it trains
    run: Callable[[StepInputs], Outcome]
    draw: str  # which noise of the step: phases with equal draws see equal z and u
    every: int = 1  # it runs in every so many-th step
    steps: bool = True  # False: its gradients wait for the next phase that trains the same network
    compiles: bool = True  # False where second derivatives are taken, which torch.compile cannot


class PhaseModule(nn.Module):
    """A phase as a module whose forward IS its loss and whose parameters are the trained network's: what DDP wraps."""

    def __init__(self, phase: Phase, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._run = phase.run

    def forward(self, inputs: StepInputs) -> Outcome:
        """The loss per sample, and what comes with it."""
        return self._run(inputs)


def mean(values: Tensor) -> Tensor:
    """[] float32 mean of a score, without gradient."""
    return values.detach().float().mean()


class Scores:
    """Running means of what a loss wants logged; kept on the device, read once a tick."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, scores: dict[str, Tensor]) -> None:
        """Add one number [] to each running mean that is named."""
        for name, value in scores.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] += 1

    def read(self) -> dict[str, float]:
        """The means since the last read, and start anew."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, defaultdict(int)
        return means


class Loss(Protocol):
    """What the loop needs of a loss."""

    phases: list[Phase]
    num_uniforms: int
    contrasts: bool  # whether it compares each image with the captions of all ranks
    scores: Scores

    def before_step(self, nimg: int) -> None:
        """Anything that moves once a step before its phases (spectral norm, blur)."""
        ...

    def after_step(self, z: Tensor, inputs: StepInputs) -> None:
        """Anything that moves once a step after its phases (running averages).

        Args:
            z: the last phase's latents of all ranks, [N, z_dim].
            inputs: the last phase's of this rank.
        """
        ...


def finite(tensors: list[Tensor]) -> bool:
    """Whether every number of every tensor is finite; one device sync."""
    norms = torch._foreach_norm(tensors)  # pyright: ignore[reportPrivateImportUsage]
    return bool(torch.isfinite(torch.stack(norms)).all())
