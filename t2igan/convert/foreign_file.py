"""A foreign file's tensors, none of them read yet, and what checkpoints made of them have in common. Knows no architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from t2igan import checkpoint
from t2igan.checkpoint import Header, with_prefix
from t2igan.convert import module_tree, safe_pickle
from t2igan.errors import CheckpointError, T2IGanError, UsageError
from t2igan.files import check_folder

Which = Literal["ema", "raw"]
MAX_NAME = 200  # characters; names of networks' tensors have at most 80 or so
BARE = "weights/"  # of a file with one set of weights


@dataclass(frozen=True)
class Unread:
    """A tensor of a file."""

    bare: Callable[[], Tensor]  # on the meta device: its shape, of which no number is read
    read: Callable[[], Tensor]


Readers = dict[str, Unread]


def open_foreign(path: Path) -> tuple[Readers, dict[str, str]]:
    """Every tensor of a file, and a safetensors file's metadata.

    Args:
        path: safetensors, or else a pickle or what torch.save writes, of which nothing is run.

    Raises:
        CheckpointError: if the file is damaged or hostile, or a t2igan checkpoint already.
    """
    readers, metadata = _open_safetensors(path) if path.suffix == ".safetensors" else (_open_pickle(path), {})
    if not all(name.isprintable() and len(name) <= MAX_NAME for name in readers):
        raise CheckpointError(f"{path}: has tensors whose names are no names. Do not trust the file.")
    return readers, metadata


def _open_pickle(path: Path) -> Readers:
    tree = safe_pickle.load(path)
    try:
        tensors = module_tree.tensors_of(tree)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return {name: Unread(tensor.bare, tensor.read) for name, tensor in tensors.items()}


def _open_safetensors(path: Path) -> tuple[Readers, dict[str, str]]:
    layout = checkpoint.read_layout(path)  # its errors are lines of ours
    try:
        file = safe_open(str(path), "pt")
        metadata = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}). Copy or download it again.") from error
    if "t2igan.format" in metadata:
        raise CheckpointError(
            f"{path}: a t2igan checkpoint already; t2igan sample --model takes it as it is."
        )
    return {
        name: Unread(partial(torch.empty, stored.shape, device="meta"), partial(file.get_tensor, name))
        for name, stored in layout.items()
    }, metadata


def choose(readers: Readers, which: Which, prefixes: Mapping[Which, str], *, source: str) -> Readers:
    """One set of weights with foreign names: what stands under its prefix, or all of a file that holds one set only.

    Raises:
        CheckpointError: if there are only other weights than those that are asked for, or raw ones cannot be told.
    """
    found = below(readers, prefixes[which])
    if found:
        return found
    others = [name for name, prefix in prefixes.items() if below(readers, prefix)]
    if others:
        raise CheckpointError(f"{source}: holds no {which} weights. Choose --weights {others[0]}.")
    if which == "raw":
        raise CheckpointError(f"{source}: does not say that its weights are raw ones. Leave --weights out.")
    return below(readers, BARE) or readers


def below(readers: Readers, prefix: str) -> Readers:
    """What stands under a prefix, without it."""
    return {name.removeprefix(prefix): read for name, read in readers.items() if name.startswith(prefix)}


def check_target(out: Path, *, may_overwrite: bool) -> None:
    """Refuse a place that no checkpoint can be written to, before the work is done.

    Raises:
        UsageError: if `out` exists or has another suffix.
        T2IGanError: if its folder cannot be written.
    """
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out}: the file's name must end in .safetensors.")
    if out.exists() and not may_overwrite:
        raise UsageError(f"{out}: exists already. Choose another --out, or add --overwrite.")
    check_folder(out.parent)


def write(out: Path, tensors: Mapping[str, Tensor], header: Header) -> None:
    """Write a network's tensors as a checkpoint.

    Raises:
        T2IGanError: if it cannot be written.
    """
    try:
        checkpoint.save(out, with_prefix("G_ema", dict(tensors)), header)
    except OSError as error:
        raise T2IGanError(f"{error}. Check the folder's permissions and the free space.") from error
