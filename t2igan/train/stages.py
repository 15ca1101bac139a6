"""What a new stage, or a new run, takes over of earlier weights, and what it says about that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from t2igan import checkpoint, sharding
from t2igan.checkpoint import part
from t2igan.errors import CheckpointError
from t2igan.train.optim import load_optimizer, optimizer_tensors
from t2igan.train.state import TrainState

COUNTERS = ("nimg", "step", "bad_steps", "bad_total", "rollbacks")


@dataclass(frozen=True)
class Carried:
    """Names of one network's tensors by what happened to them."""

    network: str
    copied: list[str]
    new: list[str]
    dropped: list[str]
    frozen: list[str]  # parameters that stand still in the new stage

    def lines(self) -> list[str]:
        """For the log: counts, then the parts of the network that they lie in."""
        counts = f"{len(self.copied)} tensors copied, {len(self.new)} new, {len(self.dropped)} dropped, {len(self.frozen)} frozen"
        kinds = {"new": self.new, "dropped": self.dropped, "frozen": self.frozen}
        return [
            f"{self.network}: {counts}",
            *(f"  {kind}: {parts_of(names)}" for kind, names in kinds.items() if names),
        ]


def parts_of(names: Iterable[str]) -> str:
    """Tensor names as the parts they lie in: `synthesis.b32 (18), synthesis.b8.torgb (4)`."""
    parts = Counter(re.sub(r"(\.(torgb|conv0|input)\b|\.convs1\.\d+\b).*", r"\1", name) for name in names)
    whole: Counter[str] = Counter()
    for part_name, count in parts.items():
        whole[re.sub(r"^((?:[\w]+\.){1,2}\w+).*", r"\1", part_name)] += count
    return ", ".join(f"{name} ({count})" for name, count in whole.items())


@torch.no_grad()
def carry_tensors(theirs: dict[str, torch.Tensor], target: nn.Module, *, network: str) -> Carried:
    """Copy every tensor that has the same name and shape into a network."""
    mine = target.state_dict()
    copied = [key for key in mine if key in theirs and theirs[key].shape == mine[key].shape]
    for key in copied:
        sharding.fill(mine[key], theirs[key])
    return Carried(
        network, copied, sorted(mine.keys() - set(copied)), sorted(theirs.keys() - set(copied)), []
    )


def carry_weights(source: nn.Module, target: nn.Module, *, network: str = "network") -> Carried:
    """Copy every tensor that has the same name and shape in both networks."""
    return carry_tensors(source.state_dict(), target, network=network)


def carry_state(old: TrainState, new: TrainState, how: Literal["average", "all"]) -> list[Carried]:
    """Carry networks, averages, Adam's moments and counters into a new stage.

    Args:
        old: the stage that ended.
        new: the stage that begins, with fresh weights.
        how: `average` starts averaged networks from their average, and all moments anew (StyleGAN-T, spec 8.9 and 8.10);
            `all` goes on with everything that fits.

    Returns:
        What became of each network.
    """
    report = []
    for name, network in new.networks.items():
        if name not in old.networks:
            continue  # a text encoder that starts as the conditioner's copy
        is_averaged = how == "average" and name in old.ema
        source = old.ema[name].network if is_averaged else old.networks[name]
        report.append(_with_frozen(carry_weights(source, network, network=name), new))
    for name, ema in new.ema.items():
        carry_weights(new.networks[name], ema.network)  # what is new starts equal in both
        if name in old.ema:
            carry_weights(old.ema[name].network, ema.network)
    if how == "all":
        _carry_moments(old, new)
    for counter in COUNTERS:
        setattr(new, counter, getattr(old, counter))
    return report


def start_from(state: TrainState, path: str) -> list[Carried]:
    """Take a checkpoint's weights over into a new run (recipe key `init`): G's average, and D from a run's state.

    Raises:
        CheckpointError: if it is no generator's or GAN run's, or nothing of it fits.
    """
    header = checkpoint.read_header(path)
    if header.kind not in ("generator", "upsampler", "state"):
        raise CheckpointError(
            f"{path}: a checkpoint of kind {header.kind!r}; init needs a generator, an upsampler or a run's state."
        )
    _, tensors = checkpoint.read(path, kind=header.kind)
    parts = {
        "G": part(tensors, "G_ema"),
        "D": part(tensors, "D"),
        "T": part(tensors, "T_ema") or part(tensors, "conditioner"),
    }
    report = []
    for name, network in state.networks.items():
        if parts[name]:
            report.append(_with_frozen(carry_tensors(parts[name], network, network=name), state))
    if not any(carried.copied for carried in report):
        raise CheckpointError(
            f"{path}: no tensor of it fits the recipe's networks. Check generator in the recipe."
        )
    for name, ema in state.ema.items():
        carry_weights(state.networks[name], ema.network)
    return report


def _carry_moments(old: TrainState, new: TrainState) -> None:
    for name, params in new.params.items():
        theirs = old.params.get(name, {})
        same = {k: p for k, p in params.items() if k in theirs and theirs[k].shape == p.shape}
        if same:
            moments = optimizer_tensors(old.optimizers[name], theirs)
            load_optimizer(new.optimizers[name], same, moments, source="the last stage")


def _with_frozen(carried: Carried, state: TrainState) -> Carried:
    """Add the parameters that the stage does not train; a backbone, which never trains, is not worth a word."""
    network, trained = state.networks[carried.network], state.params.get(carried.network, {})
    backbone = state.frozen[carried.network]
    frozen = [name for name, _ in network.named_parameters() if name not in trained and name not in backbone]
    return Carried(carried.network, carried.copied, carried.new, carried.dropped, frozen)
