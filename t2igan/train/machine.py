"""Where a run computes: device, process group, threads, precision. Builds no network."""

from __future__ import annotations

import os

import torch

from t2igan import dist
from t2igan.errors import UsageError
from t2igan.recipe.schema import TrainConfig
from t2igan.train.memory import keep_freed_memory


def setup_machine(train: TrainConfig) -> torch.device:
    """Choose the device, join the process group, set CPU threads.

    Raises:
        UsageError: if the processes cannot share a batch evenly.
    """
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    dist.init(device)
    if device.type == "cpu":
        keep_freed_memory()
    if train.threads is not None and device.type == "cpu":
        torch.set_num_threads(train.threads)
    if train.batch % dist.world():
        raise UsageError(f"train.batch {train.batch} cannot be shared evenly by {dist.world()} processes.")
    return device


def autocast_dtype(train: TrainConfig, device: torch.device) -> torch.dtype:
    """The precision that `train.precision` names; `auto` = bf16 where it is native, else fp32."""
    if train.precision != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[train.precision]
    return torch.bfloat16 if has_native_bf16(device) else torch.float32


def has_native_bf16(device: torch.device) -> bool:
    """Whether the machine multiplies bf16 in hardware: CUDA since Ampere, CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
