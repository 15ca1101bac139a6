"""Tells a machine that is out of memory from any other failure, and says how to go on with less."""

from __future__ import annotations

import torch

_ALLOCATORS = ("DefaultCPUAllocator", "out of memory", "not enough memory", "alloc_cpu")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator failed: CUDA's, MPS's, or the CPU's, which has no exception of its own."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(name in str(error) for name in _ALLOCATORS)


def release(device: torch.device) -> None:
    """Give what torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
