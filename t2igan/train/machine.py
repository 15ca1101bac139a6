"""Where a run computes: device, process group, threads, precision. Builds no network."""

from __future__ import annotations

import os
import shutil
import sys

import torch

from t2igan import dist, launch
from t2igan.errors import UsageError
from t2igan.recipe.schema import TrainConfig
from t2igan.train.agreement import check_versions
from t2igan.train.memory import keep_freed_memory


def setup_machine(train: TrainConfig) -> torch.device:
    """Choose the device, join the process group, set CPU threads.

    Raises:
        UsageError: if the processes cannot share a batch evenly, this one has no GPU of its own, or there is no compiler
            where the recipe wants one.
        T2IGanError: if the processes do not meet, or are of different versions.
    """
    launch.adopt_slurm(os.environ)
    world = launch.world_size(os.environ)
    if train.batch % world:  # all find out by themselves, before anyone waits for another
        raise UsageError(f"train.batch {train.batch} cannot be shared evenly by {world} processes.")
    if train.compile:
        _find_compiler()
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = own_device(launch.local_rank(os.environ), num_gpus)
    dist.init(device)
    check_versions(device)
    if device.type == "cpu":
        keep_freed_memory()
    if train.threads is not None and device.type == "cpu":
        torch.set_num_threads(train.threads)
    return device


def own_device(local_rank: int, num_gpus: int) -> torch.device:
    """The GPU of the process with this number on its machine; the CPU where there is no GPU at all.

    Raises:
        UsageError: if more processes than GPUs were started.
    """
    if num_gpus == 0:
        return torch.device("cpu")
    if local_rank >= num_gpus:
        raise UsageError(
            f"LOCAL_RANK {local_rank}, but this machine shows {num_gpus} GPUs (CUDA_VISIBLE_DEVICES="
            f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'unset')}). Start at most {num_gpus} processes on it."
        )
    return torch.device("cuda", local_rank)


def _find_compiler() -> None:
    """Refuse train.compile where torch.compile would fail at the first step, in many lines."""
    name = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        raise UsageError(
            f"train.compile needs a C++ compiler, and {name!r} is not on this machine. Install one (apt install g++), name "
            f"it in the environment variable CXX, or leave train.compile out."
        )


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
