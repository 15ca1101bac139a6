"""Progressive stages: carry weights and optimiser state from the last resolution, and say what was carried."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from t2igan.train.optim import load_optimizer, optimizer_tensors
from t2igan.train.state import TrainState


@dataclass(frozen=True)
class Carried:
    """Names of tensors by what happened to them."""

    copied: list[str]
    new: list[str]
    dropped: list[str]

    def __str__(self) -> str:
        """One line for the log."""
        return f"{len(self.copied)} tensors copied, {len(self.new)} new, {len(self.dropped)} dropped"


@torch.no_grad()
def carry_weights(source: nn.Module, target: nn.Module) -> Carried:
    """Copy every tensor that has the same name and shape in both networks."""
    theirs, mine = source.state_dict(), target.state_dict()
    copied = [key for key in mine if key in theirs and theirs[key].shape == mine[key].shape]
    for key in copied:
        mine[key].copy_(theirs[key])
    return Carried(copied, sorted(mine.keys() - set(copied)), sorted(theirs.keys() - set(copied)))


def carry_state(old: TrainState, new: TrainState) -> Carried:
    """Carry networks, averages, Adam's moments and counters into a new stage; returns what became of G."""
    carried = {name: carry_weights(old.networks[name], new.networks[name]) for name in new.networks}
    for name, params in new.params.items():
        theirs = old.params[name]
        same = {k: p for k, p in params.items() if k in theirs and theirs[k].shape == p.shape}
        moments = optimizer_tensors(old.optimizers[name], theirs)
        load_optimizer(new.optimizers[name], same, moments, source="the last stage")
    if new.ema is not None and old.ema is not None:
        carry_weights(new.networks["G"], new.ema.network)
        carry_weights(old.ema.network, new.ema.network)
    new.nimg, new.step = old.nimg, old.step
    new.bad_steps, new.bad_total = old.bad_steps, old.bad_total
    return carried["G"]
