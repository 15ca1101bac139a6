"""The only file that touches torch.distributed. Without WORLD_SIZE every helper is the identity."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as td
from torch import Tensor, nn


def init(device: torch.device) -> None:
    """Join the process group that torchrun describes in the environment; do nothing outside torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not td.is_initialized():
        td.init_process_group("nccl" if device.type == "cuda" else "gloo")


def rank() -> int:
    """This process's number, 0 when alone."""
    return td.get_rank() if td.is_initialized() else 0


def world() -> int:
    """Number of processes, 1 when alone."""
    return td.get_world_size() if td.is_initialized() else 1


def wrap_phase(phase: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a phase in DistributedDataParallel; its forward IS the phase's loss. Identity when alone."""
    if world() == 1:
        return phase
    ids = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(phase, device_ids=ids, broadcast_buffers=False)


def all_reduce_mean(tensors: list[Tensor]) -> None:
    """Average tensors over ranks in place."""
    if world() == 1:
        return
    for tensor in tensors:
        td.all_reduce(tensor)
        tensor.div_(world())


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Sum a tensor over ranks in place and return it."""
    if world() > 1:
        td.all_reduce(tensor)
    return tensor


def all_gather(tensor: Tensor) -> list[Tensor]:
    """The same-shaped tensor of every rank, in rank order."""
    if world() == 1:
        return [tensor]
    parts = [torch.empty_like(tensor) for _ in range(world())]
    td.all_gather(parts, tensor)
    return parts


def barrier() -> None:
    """Wait for every rank."""
    if world() > 1:
        td.barrier()


@contextmanager
def rank0_first() -> Iterator[None]:
    """Run the body on rank 0, then on the others: guards downloads and cache writes."""
    if rank() != 0:
        barrier()
    yield
    if rank() == 0:
        barrier()


def close() -> None:
    """Leave the process group."""
    if td.is_initialized():
        td.destroy_process_group()
