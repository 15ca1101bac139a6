"""Parameters of a stage by block of network: how many there are, and how many train. Counts tensors, builds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from t2igan.dry_run.probe import ProbedState

DEEP = ("synthesis", "heads")  # parts of networks that are shown child by child


@dataclass
class Block:
    """Number of parameters of one row of the table."""

    total: int = 0
    trained: int = 0


def blocks_of(state: ProbedState) -> dict[str, Block]:
    """`G synthesis.b8`, `D heads.0`, `D backbone`, `text encoder` -> its parameters, in the networks' order."""
    found: dict[str, Block] = {}
    for key, trains, param in _parameters(state):
        block = found.setdefault(key, Block())
        block.total += param.numel()
        block.trained += param.numel() if trains else 0
    return found


def _parameters(state: ProbedState) -> Iterator[tuple[str, bool, nn.Parameter]]:
    """Row, whether it trains, and the parameter."""
    for network, module in state.networks.items():
        trained = state.params.get(network, {})
        for name, param in module.named_parameters():
            parts = name.split(".")
            row = ".".join(parts[: 2 if parts[0] in DEEP else 1])
            yield f"{network} {row}", name in trained, param
    for name, module in state.frozen_networks.items():
        for param in module.parameters():
            yield name, False, param
