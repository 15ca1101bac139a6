"""Tensors that independent implementations of GigaGAN's parts computed, see tests/fixtures/gigagan. Not a test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

FOLDER = Path(__file__).parent / "fixtures" / "gigagan"


@dataclass(frozen=True)
class Case:
    """One file: everything that went in and came out."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    weights: dict[str, Tensor]
    meta: dict[str, Any]


def load_case(name: str) -> Case:
    """Read a file of the folder."""
    with safe_open(str(FOLDER / f"{name}.safetensors"), "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        meta = json.loads(file.metadata()["meta"])
    parts = (
        {k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith(p)}
        for p in ("in/", "out/", "weights/")
    )
    return Case(*parts, meta)


def assert_near(found: Tensor, wanted: Tensor, atol: float = 2e-5) -> None:
    """Within the tolerance that the files state, relative to the largest value."""
    limit = atol * max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(found.detach().reshape(wanted.shape), wanted, atol=limit, rtol=0)
