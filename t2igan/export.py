"""A run's state, or any checkpoint -> one file to share: a generator, a small CLIP or a judge. It trains nothing."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from t2igan import checkpoint
from t2igan.checkpoint import Header, part, with_prefix
from t2igan.decode import decode_json
from t2igan.encode import to_json
from t2igan.errors import CheckpointError, T2IGanError, UsageError
from t2igan.files import check_folder
from t2igan.models import checkpoint_kind
from t2igan.models.encoders import KINDS
from t2igan.text import build_conditioner
from t2igan.text.config import ConditionerConfig, SmallClipTextConfig

Tensors = dict[str, Tensor]


def export(
    source: str | Path, out: str | Path, *, is_half: bool = False, may_overwrite: bool = False
) -> Header:
    """Write the part of a checkpoint that others need: no optimiser, no discriminator, no raw weights.

    Args:
        source: a checkpoint of any kind; of a GAN's state, the averaged generator is taken.
        out: the file to write, ending in .safetensors.
        is_half: store float32 as float16, which halves the file; loading gives float32 back.
        may_overwrite: replace a file at `out`.

    Returns:
        The header of what was written; its kind is generator, clip or judge.

    Raises:
        CheckpointError: if `source` is no checkpoint, or its text encoder's is missing.
        UsageError: if `out` exists or has another suffix.
        T2IGanError: if `out` cannot be written.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out}: the file's name must end in .safetensors.")
    if out.exists() and not may_overwrite:
        raise UsageError(f"{out}: exists already. Choose another --out, or add --overwrite.")
    check_folder(out.parent)
    header, tensors = shareable(source)
    try:
        checkpoint.save(out, to_half(tensors) if is_half else tensors, header)
    except OSError as error:
        raise T2IGanError(f"{error}. Check the folder's permissions and the free space.") from error
    return header


def shareable(source: str | Path) -> tuple[Header, Tensors]:
    """Header and tensors of what a checkpoint holds to share; a file that is shareable already comes back as it is.

    Raises:
        CheckpointError: as `export`.
    """
    kind = checkpoint.read_header(source).kind
    header, tensors = checkpoint.read(source, kind=kind)
    if kind != "state":
        return header, tensors
    counters = {key: header.progress.get(key, 0) for key in ("nimg", "step")}
    try:
        if header.recipe.get("task", "gan") == "gan":
            return _generator(header, tensors, counters, source=str(source))
        config = header.recipe["encoder"]
        shared = Header(KINDS[config["arch"]], config=config, recipe=header.recipe, progress=counters)
        return shared, with_prefix("E", part(tensors, "E"))
    except (KeyError, IndexError, TypeError) as error:
        raise CheckpointError(
            f"{source}: its header lacks {error}. Resume the run with this t2igan, then export."
        ) from error


def _generator(header: Header, tensors: Tensors, counters: dict, *, source: str) -> tuple[Header, Tensors]:
    recipe = header.recipe
    resolution = recipe["stages"][header.progress["stage"]]["resolution"]
    conditioner, carried = header.conditioner, part(tensors, "T_ema")  # where G's text encoder was trained
    if not carried:
        conditioner, carried = _conditioner(recipe["conditioner"], source=source)
    shared = Header(
        checkpoint_kind(recipe["generator"]["arch"]),
        config=recipe["generator"] | {"resolution": resolution},
        conditioner=conditioner,
        recipe=recipe,
        progress=counters | {"psi": recipe.get("samples", {}).get("psi", 1.0)},
    )
    return shared, with_prefix("G_ema", part(tensors, "G_ema")) | with_prefix("conditioner", carried)


def _conditioner(section: dict, *, source: str) -> tuple[dict, Tensors]:
    """The text encoder's section as a generator's header needs it, and the tensors that must travel along."""
    config = decode_json(json.dumps(section), ConditionerConfig, source=f"header of {source}")
    if not isinstance(
        config, SmallClipTextConfig
    ):  # the others have a public name, and need not be on this machine
        return section, {}
    built = build_conditioner(config)
    return json.loads(to_json(built.config)), built.weights()


def to_half(tensors: Tensors) -> Tensors:
    """float32 -> float16, relative error at most 2^-11; integers, and tensors that float16 cannot hold, stay."""
    return {key: _half(value) for key, value in tensors.items()}


def _half(value: Tensor) -> Tensor:
    if value.dtype != torch.float32:
        return value
    half = value.half()
    return half if bool(torch.isfinite(half).all()) else value
