"""Memory of one GPU while a stage trains, row by row. An estimate: see docs/dry_run.md for what it leaves out.

Standing: networks, averages (4 bytes a parameter), Adam's moments (8 bytes a trained one), frozen networks, and the
buffers in which DistributedDataParallel exchanges gradients (4 bytes a trained one). On top of these, the phase that
needs most: its gradients, its activations and temporaries of one micro-batch as `probe` found them, and the images,
embeddings and kept features of all the micro-batches of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from t2igan.dry_run.probe import PhaseBytes, ProbedState, moments_of
from t2igan.dry_run.split import Split

BACKBONE = "backbone"


@dataclass(frozen=True)
class Memory:
    """Bytes by row."""

    rows: dict[str, int]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.rows.values())


def memory_of(state: ProbedState, split: Split, *, is_sharded: bool) -> Memory:
    """What one GPU needs.

    Args:
        state: a stage that has been probed with one micro-batch of `split`.
        split: how a step's images are shared.
        is_sharded: whether averaged networks, their averages, gradients and moments are split over the ranks (FSDP2).
    """
    shards = {name: split.ranks if is_sharded and name in state.ema else 1 for name in state.networks}
    rows = _standing(state, shards) | _peak(state, split, shards)
    if split.ranks > 1:
        whole = (params for name, params in state.params.items() if shards[name] == 1)
        rows["buffers to exchange gradients"] = sum(_bytes(params.values()) for params in whole)
        gathered = (_gathered(state, name) for name in shards if shards[name] > 1)
        rows["gathered parts of split networks"] = max(gathered, default=0)
    return Memory({name: size for name, size in rows.items() if size})


def _standing(state: ProbedState, shards: Mapping[str, int]) -> dict[str, int]:
    """Rows of what is there all the time."""
    networks = sum(_module(network, shards[name]) for name, network in state.networks.items())
    backbone = _module(getattr(state.networks.get("D"), BACKBONE, None))
    return {
        "networks": networks - backbone,
        "frozen networks": backbone + sum(map(_module, state.frozen_networks.values())),
        "averages": sum(_module(ema.network, shards[name]) for name, ema in state.ema.items()),
        "moments of Adam": sum(_bytes(moments_of(state, name)) // shards[name] for name in state.optimizers),
    }


def _peak(state: ProbedState, split: Split, shards: Mapping[str, int]) -> dict[str, int]:
    """Rows of the phase that needs most."""
    rows = []
    for number, phase in enumerate(state.phase_bytes):
        kept = state.kept_bytes * (split.pieces - 1 if number == 0 else split.pieces)
        rows.append(
            {
                "gradients": phase.gradients // shards[phase.trains],
                "activations and temporaries": _activations(phase, split),
                "images and embeddings of the batch": state.batch_bytes * split.pieces,
                "features kept for D": kept,
            }
        )
    return max(rows, key=lambda row: sum(row.values()))


def _activations(phase: PhaseBytes, split: Split) -> int:
    """Without gradients, which are there from the second micro-batch on, and come to be during the first."""
    return phase.working if split.pieces > 1 else max(phase.working - phase.gradients, 0)


def _gathered(state: ProbedState, name: str) -> int:
    """Largest unit of a split network, twice as the next one is fetched ahead, and its gradients before they are shared."""
    network: Any = state.networks[name]
    units = [sum(map(_module, unit)) for unit in network.shard_units()]
    return (2 + (name in state.params)) * max(units)


def _module(module: nn.Module | None, shards: int = 1) -> int:
    if module is None:
        return 0
    return _bytes(module.parameters()) // shards + _bytes(module.buffers())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
