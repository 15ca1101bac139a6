"""Reads the StyleGAN-T reference numbers in tests/fixtures/stylegan_t; see the README there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors import safe_open
from torch import Tensor, nn

FOLDER = Path(__file__).parents[1] / "fixtures" / "stylegan_t"
# The largest cases are read where the reference data lies beside the repository, which carries 12 MB of it.
ELSEWHERE = Path(__file__).parents[3] / "shared" / "fixtures" / "stylegan_t"
Tensors = dict[str, Tensor]


class Case(NamedTuple):
    """One fixture file."""

    weights: Tensors
    inputs: Tensors
    outputs: Tensors
    meta: dict[str, Any]


def load_case(name: str) -> Case:
    """Read weights/, in/, out/ and the metadata of a fixture; skip by name where a large one is not at hand."""
    path = next(
        (f / f"{name}.safetensors" for f in (FOLDER, ELSEWHERE) if (f / f"{name}.safetensors").is_file()),
        None,
    )
    if path is None:
        pytest.skip(f"{name}.safetensors is not here")
    with safe_open(str(path), "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        meta = json.loads(file.metadata()["meta"])
    parts = [
        {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        for prefix in ("weights/", "in/", "out/")
    ]
    return Case(*parts, meta)


def below(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors called prefix.*, without the prefix."""
    return {k.removeprefix(prefix + "."): v for k, v in tensors.items() if k.startswith(prefix + ".")}


def error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest expected value: the README's measure."""
    assert actual.shape == expected.shape
    return ((actual.detach() - expected).abs().max() / expected.abs().max()).item()


def grad_norm_error(module: nn.Module, norms: dict[str, float]) -> float:
    """Largest relative difference of gradient norms; those of ~1e-9 are rounding noise and skipped."""
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    assert set(trained) == set(norms)
    found = {name: 0.0 if p.grad is None else p.grad.norm().item() for name, p in trained.items()}
    return max(abs(found[name] - norm) / norm for name, norm in norms.items() if norm > 1e-7)
