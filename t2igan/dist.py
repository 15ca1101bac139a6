"""The only file, beside sharding.py, that touches torch.distributed. Without WORLD_SIZE every helper is the identity."""

from __future__ import annotations

import inspect
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as td
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from t2igan.errors import T2IGanError
from t2igan.launch import world_size
from t2igan.meeting import agree_on_name

MEETING_S = 300.0  # until every process must be there: nodes of a cluster do not start at once
# Of any exchange between ranks, after which a peer counts as hung: rank 0 alone downloads weights and writes checkpoints
# while the others wait. A peer that died is noticed at once by gloo, and by torchrun whatever the backend.
EXCHANGE_S = 900
EXCHANGE_VARIABLE = "T2IGAN_EXCHANGE_TIMEOUT_S"
TEXT_BYTES = 1024


def init(device: torch.device, *, patience_s: float = MEETING_S) -> None:
    """Join the process group that the environment describes in torchrun's variables; do nothing without them.

    Args:
        device: where this process computes; a CUDA device becomes the current one.
        patience_s: how long to wait for the other processes.

    Raises:
        T2IGanError: if they do not meet.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world_size(os.environ) == 1 or td.is_initialized():
        return
    try:
        _wait_for_master(patience_s)
        store, rank, world = next(rendezvous("env://", timeout=timedelta(seconds=patience_s)))
        name = agree_on_name(store, rank, world, patience_s=patience_s)
        store = td.PrefixStore(name, store)  # pyright: ignore[reportPrivateImportUsage]
        td.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=store,
            rank=rank,
            world_size=world,
            timeout=timedelta(seconds=float(os.environ.get(EXCHANGE_VARIABLE, EXCHANGE_S))),
            device_id=device if device.type == "cuda" else None,
        )
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        raise T2IGanError(_missed(error)) from error


def _wait_for_master(patience_s: float) -> None:
    """Return once rank 0 listens; torch's own attempts fill the terminal with stack traces."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    deadline = time.monotonic() + patience_s
    while os.environ["RANK"] != "0":
        try:
            socket.create_connection((host, port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(min(1.0, patience_s / 10))


def _missed(error: Exception) -> str:
    """One line on a meeting that failed."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    rank, world, host, port = (os.environ.get(name, "?") for name in names)
    why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return (
        f"process {rank} of {world} did not meet the others at {host}:{port} ({why}). Start all {world} with the same "
        f"MASTER_ADDR and MASTER_PORT, which every machine can reach and nobody else uses; torchrun and srun see to that."
    )


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
    for param in phase.parameters():
        # Gradients of 1 x 1 weights come in standard strides; to others DDP copies them, with a warning.
        if param.ndim == 4 and param.shape[2:].numel() == 1:
            param.data = param.data.clone(memory_format=torch.contiguous_format)
    parallel: Any = nn.parallel.DistributedDataParallel
    ids = [device.index] if device.type == "cuda" else None
    # Buffers are equal on all ranks by construction. torch has renamed the switch, and warns of the old name.
    names = ("forward_sync_buffers", "broadcast_buffers")
    known = inspect.signature(parallel.__init__).parameters
    return parallel(phase, device_ids=ids, **{next(name for name in names if name in known): False})


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


def all_gather_text(text: str, device: torch.device) -> list[str]:
    """Every rank's text, in rank order; the first 1024 bytes of it.

    Args:
        text: this rank's.
        device: where the ranks' tensors lie.
    """
    raw = text.encode()[:TEXT_BYTES].ljust(TEXT_BYTES, b"\0")
    rows = all_gather(torch.frombuffer(bytearray(raw), dtype=torch.uint8).to(device))
    return [bytes(row.tolist()).rstrip(b"\0").decode(errors="ignore") for row in rows]


def is_lost_peer(error: Exception) -> bool:
    """Whether an error says that another rank has died or hung."""
    return world() > 1 and (isinstance(error, td.DistError) or "gloo" in str(error))


def barrier() -> None:
    """Wait for every rank."""
    if world() > 1:
        td.barrier()


@contextmanager
def rank0_first() -> Iterator[None]:
    """Run the body on rank 0, then on the others: guards downloads and cache writes.

    An error on rank 0 releases the others too, which then meet it themselves.
    """
    if rank() != 0:
        barrier()
    try:
        yield
    finally:
        if rank() == 0:
            barrier()


def close() -> None:
    """Leave the process group."""
    if td.is_initialized():
        td.destroy_process_group()
