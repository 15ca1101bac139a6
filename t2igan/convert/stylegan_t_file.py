"""A file with an official StyleGAN-T generator -> a t2igan checkpoint. Not: the discriminator, and nothing is unpickled.

Read are safetensors with official names, state dicts of torch.save, and the official snapshots: dill pickles of live
modules, of which safe_pickle.py builds inert records and tensors. The text tower inside a generator is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open
from torch import Tensor

from t2igan import checkpoint, weights
from t2igan.checkpoint import Header, with_prefix
from t2igan.convert import module_tree, safe_pickle
from t2igan.convert.stylegan_t import TEXT_TOWER, load_generator
from t2igan.encode import to_json
from t2igan.errors import CheckpointError, T2IGanError, UsageError
from t2igan.files import check_folder
from t2igan.models.stylegan_t.generator import Generator
from t2igan.text.config import ClipTextConfig

Which = Literal["ema", "raw"]
Readers = dict[str, Callable[[], Tensor]]  # name -> what reads the tensor
PREFIX = {"ema": "G_ema.", "raw": "G."}
MAX_NAME = 200  # characters; official names have at most 80 or so
BARE = "weights/"  # of a file with one set of weights
OFFICIAL_CLIP = "ViT-L-14:openai"
LICENCE = "that of the source; snapshots of the official code are non-commercial unless their trainer says otherwise"


@dataclass(frozen=True)
class Source:
    """A generator as it was found in a foreign file."""

    generator: Generator
    num_text_tensors: int  # of the text tower that was left out


@dataclass(frozen=True)
class Converted:
    """What was written."""

    header: Header
    num_text_tensors: int


def convert(
    source: str | Path,
    out: str | Path,
    *,
    which: Which = "ema",
    conditioner: str = OFFICIAL_CLIP,
    licence: str = LICENCE,
    may_overwrite: bool = False,
) -> Converted:
    """Write a foreign generator as a checkpoint of kind `generator`.

    Args:
        source: .safetensors, or a pickle.
        out: the file to write, ending in .safetensors.
        which: the averaged weights, or those as the optimiser left them.
        conditioner: open_clip's MODEL:TAG of the text encoder that it was trained on.
        licence: of the weights; stored in the header.
        may_overwrite: replace a file at `out`.

    Raises:
        CheckpointError: if `source` is damaged, hostile, or no StyleGAN-T generator that draws from text.
        WeightsError: if open_clip has no such text encoder.
        UsageError: if `out` exists or has another suffix, or the text encoder does not fit.
        T2IGanError: if `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out}: the file's name must end in .safetensors.")
    if out.exists() and not may_overwrite:
        raise UsageError(f"{out}: exists already. Choose another --out, or add --overwrite.")
    check_folder(out.parent)
    found = read_generator(source, which=which)
    config = found.generator.config
    header = Header(
        "generator",
        config=json.loads(to_json(config)),
        conditioner=json.loads(to_json(_conditioner(conditioner, source, c_dim=config.c_dim))),
        progress={"source": source.name, "weights": which, "licence": licence},
    )
    try:
        checkpoint.save(out, with_prefix("G_ema", found.generator.state_dict()), header)
    except OSError as error:
        raise T2IGanError(f"{error}. Check the folder's permissions and the free space.") from error
    return Converted(header, found.num_text_tensors)


def read_generator(path: str | Path, *, which: Which = "ema") -> Source:
    """Read the generator of a foreign file.

    Raises:
        CheckpointError: if the file is damaged, hostile, or holds no such generator.
    """
    readers, meta = _open(Path(path))
    if not all(name.isprintable() and len(name) <= MAX_NAME for name in readers):
        raise CheckpointError(f"{path}: has tensors whose names are no names. Do not trust the file.")
    chosen = _chosen(readers, which, source=str(path))
    wanted = {name: read for name, read in chosen.items() if not name.startswith(TEXT_TOWER)}
    try:
        generator = load_generator({name: read() for name, read in wanted.items()}, meta)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Source(generator, len(chosen) - len(wanted))


def _open(path: Path) -> tuple[Readers, dict[str, Any]]:
    """Every tensor of a file, none of them read yet, and what else its metadata says of the network."""
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    tree = safe_pickle.load(path)
    try:
        return {name: tensor.read for name, tensor in module_tree.tensors_of(tree).items()}, {}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _open_safetensors(path: Path) -> tuple[Readers, dict[str, Any]]:
    names = checkpoint.read_layout(path)  # its errors are lines of ours
    try:
        file = safe_open(str(path), "pt")
        metadata = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}). Copy or download it again.") from error
    if "t2igan.format" in metadata:
        raise CheckpointError(
            f"{path}: a t2igan checkpoint already; t2igan sample --model takes it as it is."
        )
    return {name: lambda name=name: file.get_tensor(name) for name in names}, _meta(
        metadata.get("meta", "{}")
    )


def _meta(text: str) -> dict[str, Any]:
    """The numbers that `load_generator` takes beside tensors; other metadata is the file's own affair."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    numbers = found if isinstance(found, dict) else {}
    kinds = {"conv_clamp": (int, float, type(None)), "channel_base": int, "channel_max": int}
    return {
        key: numbers[key] for key, kind in kinds.items() if key in numbers and isinstance(numbers[key], kind)
    }


def _chosen(readers: Readers, which: Which, *, source: str) -> Readers:
    """One set of weights with official names: what stands under its prefix, or all of a file that holds one set only."""
    below = _below(readers, PREFIX[which])
    if below:
        return below
    others = [name for name, prefix in PREFIX.items() if _below(readers, prefix)]
    if others:
        raise CheckpointError(f"{source}: holds no {which} weights. Choose --weights {others[0]}.")
    if which == "raw":
        raise CheckpointError(f"{source}: does not say that its weights are raw ones. Leave --weights out.")
    return _below(readers, BARE) or readers


def _below(readers: Readers, prefix: str) -> Readers:
    return {name.removeprefix(prefix): read for name, read in readers.items() if name.startswith(prefix)}


def _conditioner(name: str, source: Path, *, c_dim: int) -> ClipTextConfig:
    """The text encoder's section, checked against the generator without its weights."""
    if c_dim == 0:
        raise CheckpointError(
            f"{source}: an unconditional generator, but t2igan samples from prompts only. In Python it loads with "
            f"t2igan.convert.stylegan_t_file.read_generator."
        )
    model, _, tag = name.partition(":")
    if not (model and tag):
        raise UsageError(f"--conditioner {name!r}: give open_clip's MODEL:TAG, as in {OFFICIAL_CLIP}.")
    dim = weights.open_clip_dim(model, tag)
    if dim != c_dim:
        raise UsageError(
            f"--conditioner {name} gives {dim} numbers, but {source} takes {c_dim}. Name the one it was trained on."
        )
    return ClipTextConfig(model=model, pretrained=tag)
