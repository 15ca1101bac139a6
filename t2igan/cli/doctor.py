"""`t2igan doctor`: what this machine can run, and what is missing. Reports; repairs nothing and never fails."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from t2igan import __version__

PACKAGES = ("torch", "torchvision", "open_clip_torch", "timm", "webdataset", "clean-fid", "safetensors", "pillow",
            "numpy", "pydantic", "typer", "img2dataset")  # fmt: skip
CPU_MATMULS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
# network -> what is missing without it, its file name in $T2IGAN_WEIGHTS, its repository in the Hugging Face cache
NETWORKS = {
    "CLIP ViT-L-14": (
        "text of full-size recipes, CLIP score",
        "ViT-L-14.openai",
        "timm/vit_large_patch14_clip_224.openai",
    ),
    "DINO ViT-S/16": (
        "discriminator of full-size recipes",
        "vit_small_patch16_224.dino",
        "timm/vit_small_patch16_224.dino",
    ),
    "Inception": ("FID and KID comparable with papers", "inception-2015-12-05", None),
}
HUB_FILES = (
    "open_clip_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what this machine can run, and what is missing.

    Example: t2igan doctor
    """
    checks = {
        "packages": packages,
        "machine": machine,
        "libraries": libraries,
        "weights": weights,
        "disk": disk,
    }
    findings = {title: _safely(check) for title, check in checks.items()}
    if as_json:
        print(json.dumps(findings, indent=1))
        return
    for title, found in findings.items():
        width = max(map(len, found))
        lines = [f"  {key:{width}}  {value}" for key, value in found.items()]
        print(f"{title}\n" + "\n".join(lines))


def _safely(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A check's findings, or why it could not be made: a broken installation is what doctor is for."""
    try:
        return check()
    except Exception as error:  # not an error of ours to pass on: it is the finding
        return {"problem": f"{type(error).__name__}: {error}".splitlines()[0]}


def packages() -> dict[str, Any]:
    """Versions, without importing anything."""
    found = {"t2igan": __version__, "python": f"{platform.python_version()} ({sys.executable})"}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Device, memory, threads, and whether bf16 is multiplied natively (what `train.precision: auto` looks at)."""
    import torch

    found = {
        "system": platform.platform(),
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    found |= {"torch_threads": torch.get_num_threads(), "cpu_matmul": _cpu_flags() or "unknown"}
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        found["device"] = (
            f"cuda, {torch.cuda.device_count()} x {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"
        )
        found["native_bf16"] = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        found["device"] = "mps" if torch.backends.mps.is_available() else "cpu"
        found["native_bf16"] = "bf16" in _cpu_flags()
    return found


def _cpu_flags() -> str:
    """The matrix instructions that the CPU names, on Linux."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.is_file() else set()
    return ", ".join(flag for flag in CPU_MATMULS if flag in words)


def libraries() -> dict[str, Any]:
    """Whether the libraries that depend on torch's build can be imported."""
    return {name: _import(name) for name in ("torchvision", "timm", "open_clip", "webdataset", "cleanfid")}


def _import(name: str) -> str:
    try:
        importlib.import_module(name)
    except Exception as error:  # not an error of ours to pass on: it is the finding
        fix = "; install torch and torchvision from the same place" if "torchvision" in str(error) else ""
        return f"broken: {type(error).__name__}: {error}".splitlines()[0] + fix
    return "ok"


def weights() -> dict[str, Any]:
    """Where optional frozen networks were found, and what needs those that were not."""
    found = {"T2IGAN_WEIGHTS": os.environ.get("T2IGAN_WEIGHTS", "not set")}
    for name, (needed_for, file, repository) in NETWORKS.items():
        found[name] = _find(file, repository) or f"not found; needed for: {needed_for}"
    return found


def _find(file: str, repository: str | None) -> str | None:
    folder = os.environ.get("T2IGAN_WEIGHTS")
    for path in sorted(Path(folder).glob(f"{file}*")) if folder else ():
        return str(path)
    if repository is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = [try_to_load_from_cache(repository, name) for name in HUB_FILES]
    return next((path for path in cached if isinstance(path, str)), None)


def disk() -> dict[str, Any]:
    """Whether runs can be written here, and the space that is left."""
    found = {"free_gib": round(shutil.disk_usage(".").free / 2**30, 1)}
    try:
        with tempfile.TemporaryFile(dir="."):
            return {"folder": f"{Path.cwd()}, can be written", **found}
    except OSError as error:
        return {"folder": f"{Path.cwd()}, cannot be written ({error.strerror}); use --out", **found}
