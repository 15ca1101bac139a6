"""What a checkpoint says of itself, as plain values. Torch-free unless the weights' fingerprint is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from t2igan import checkpoint
from t2igan.checkpoint import Stored

OWN = {
    "generator": "G_ema",
    "upsampler": "G_ema",
    "clip": "E",
    "judge": "E",
}  # kind -> prefix of the network's tensors


def model_info(path: str | Path, *, has_fingerprint: bool = False) -> dict[str, Any]:
    """Read a checkpoint's header.

    Args:
        path: a file, or embedded:NAME.
        has_fingerprint: also read the weights and hash them, as the PNGs of `t2igan sample` record it.

    Returns:
        {"path", "bytes", "kind", "created_by", "network", "conditioner", "recipe": name, "progress", "tensors": prefix ->
        {"tensors", "numbers", "bytes", "dtypes"}}, and "fingerprint" (None for a state).

    Raises:
        CheckpointError: if the file is not ours, truncated, or of a newer format.
    """
    header = checkpoint.read_header(path)
    by_prefix: dict[str, list[Stored]] = {}
    for name, stored in checkpoint.read_layout(path).items():
        by_prefix.setdefault(name.split(".")[0], []).append(stored)
    network = header.config or header.recipe.get("generator") or header.recipe.get("encoder") or {}
    info = {
        "path": str(path),
        "bytes": checkpoint.locate(path).stat().st_size,
        "kind": header.kind,
        "created_by": header.created_by,
        "network": network,
        "conditioner": header.conditioner or header.recipe.get("conditioner", {}),
        "recipe": header.recipe.get("name", ""),
        "progress": header.progress,
        "tensors": {prefix: _count(stored) for prefix, stored in sorted(by_prefix.items())},
    }
    return info | {"fingerprint": _fingerprint(path, header.kind)} if has_fingerprint else info


def _count(stored: Iterable[Stored]) -> dict[str, Any]:
    several = list(stored)
    return {
        "tensors": len(several),
        "numbers": sum(math.prod(one.shape) for one in several),
        "bytes": sum(one.end - one.start for one in several),
        "dtypes": sorted({one.dtype for one in several}),
    }


def _fingerprint(path: str | Path, kind: str) -> str | None:
    if kind not in OWN:
        return None
    _, tensors = checkpoint.read(path, kind=kind)
    return checkpoint.fingerprint(checkpoint.part(tensors, OWN[kind]))
