"""One or many processes for a measurement: torchrun's or SLURM's variables tell, and convolutions are exact. Measures nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from t2igan import dist, launch
from t2igan.sampling import choose_device


@contextmanager
def joined(device: str) -> Iterator[torch.device]:
    """Where this process computes, while it is one of its group; alone without torchrun's or SLURM's variables.

    cuDNN rounds to TF32 unless told otherwise; in the block it does not.

    Args:
        device: cpu, cuda, mps or auto; with several processes, each takes the GPU of its own number.

    Raises:
        UsageError: if this machine has no such device.
        T2IGanError: if the processes do not meet.
    """
    launch.adopt_slurm(os.environ)
    chosen, was_rounding = choose_device(device), torch.backends.cudnn.allow_tf32
    if chosen.type == "cuda" and launch.world_size(os.environ) > 1:
        chosen = torch.device("cuda", launch.local_rank(os.environ))
    dist.init(chosen)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield chosen
    finally:
        torch.backends.cudnn.allow_tf32 = was_rounding
        dist.close()
