"""Writes pickles of the shape of an official snapshot, and reads the reference generator. Not a fixture: tests call it."""

from __future__ import annotations

import io
import json
import pickle
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from t2igan.convert.stylegan_t_file import read_generator
from t2igan.errors import CheckpointError

REFERENCE = Path(__file__).parents[2] / "fixtures" / "stylegan_t" / "generator_32.safetensors"
BUFFERS = ("x_avg", "resample_filter", "transform", "freqs", "phases", "noise_const")


def reference() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Official weights by name, inputs and outputs, and the metadata of the reference generator."""
    with safe_open(str(REFERENCE), "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        meta = json.loads(file.metadata()["meta"])
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights/")}
    return weights, {k: v for k, v in tensors.items() if not k.startswith("weights/")}, meta


class Persistent(nn.Module):
    """A module that pickles as the official wrapper does: a call with its source code, its class name and its state."""

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('source code of a snapshot was run')",
            "class_name": "Generator",
            "state": dict(self.__dict__),
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


def module_of(tensors: dict[str, Tensor]) -> nn.Module:
    """A tree of live modules with these tensors: torch's own classes where they fit, else persistent ones."""
    own = {name: value for name, value in tensors.items() if "." not in name}
    children = {name.split(".")[0] for name in tensors if "." in name}
    module = nn.ModuleList() if not own and all(c.isdigit() for c in children) else Persistent()
    for name, value in own.items():
        if name in BUFFERS:
            module.register_buffer(name, value)
        else:
            module.register_parameter(name, nn.Parameter(value))
    for child in sorted(children):
        below = {n.removeprefix(f"{child}."): v for n, v in tensors.items() if n.startswith(f"{child}.")}
        module.add_module(child, module_of(below))
    return module


def snapshot(weights: dict[str, Tensor], **more: Any) -> dict[str, Any]:
    """What an official snapshot holds: live modules, and the settings of the data set."""
    raw = {n: v if n.split(".")[-1] in BUFFERS else v + 1 for n, v in weights.items()}
    D = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    return {"G": module_of(raw), "D": D, "G_ema": module_of(weights), "training_set_kwargs": {"path": "a.zip"}, **more}  # fmt: skip


@contextmanager
def foreign_modules() -> Iterator[types.ModuleType]:
    """A `torch_utils.persistence` that can be pickled by name, and is gone when the pickle is read."""
    module = types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
        raise AssertionError("the foreign function was called")

    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # pyright: ignore[reportAttributeAccessIssue]
    package = types.ModuleType("torch_utils")
    package.persistence = module  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules |= {"torch_utils": package, "torch_utils.persistence": module}
    try:
        yield module
    finally:
        del sys.modules["torch_utils"], sys.modules["torch_utils.persistence"]


def pickled(value: Any, *, protocol: int = 4) -> bytes:
    """`value` as a plain pickle, which dill's have the layout of."""
    with foreign_modules():
        return pickle.dumps(value, protocol=protocol)


def torch_saved(value: Any, *, is_zip: bool) -> bytes:
    """`value` as torch.save writes it."""
    file = io.BytesIO()
    with foreign_modules():
        torch.save(value, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


def without_numbers(saved: bytes) -> bytes:
    """A zip of torch.save, without the numbers of its tensors."""
    source, out = zipfile.ZipFile(io.BytesIO(saved)), io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in source.namelist():
            if "/data/" not in name:
                archive.writestr(name, source.read(name))
    return out.getvalue()


class Calls:
    """Pickles as a call of `function(*args)`."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def write_pickle(data: bytes) -> Path:
    """A file with these bytes, in the folder where a test stands."""
    path = Path("file.pkl")
    path.unlink(missing_ok=True)  # a new file, as the old one may still be mapped
    path.write_bytes(data)
    return path


def refusal(data: bytes) -> str:
    """The line that a file with these bytes is refused with."""
    path = Path("hostile.pkl")
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"^hostile\.pkl: ") as caught:
        read_generator(path)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 400
    assert not Path("ran").exists()
    return line
