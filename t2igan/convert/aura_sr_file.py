"""A file with published AuraSR weights -> a t2igan checkpoint of kind `upsampler`. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from t2igan import checkpoint
from t2igan.checkpoint import Header
from t2igan.convert.aura_sr import assemble, own_tensors
from t2igan.convert.aura_sr_config import MAX_CHARACTERS, config_of, read_config
from t2igan.convert.aura_sr_source import NOT_STATED, UNCLEAR, Source, find_source
from t2igan.convert.foreign_file import MAX_NAME, check_target, write
from t2igan.convert.self_test import agrees, run_self_test
from t2igan.encode import to_json
from t2igan.errors import CheckpointError, UsageError
from t2igan.models.aura_sr.config import AuraSRConfig

Dtype = Literal["fp32", "bf16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Converted:
    """What was written."""

    header: Header
    warnings: tuple[str, ...]


def convert(
    source: str,
    out: str | Path,
    *,
    config: str | Path | None = None,
    dtype: Dtype = "fp32",
    licence: str | None = None,
    may_download: bool = False,
    may_overwrite: bool = False,
) -> Converted:
    """Write published AuraSR weights as a checkpoint of kind `upsampler`.

    The file is mapped, not read: memory is needed for one copy of the weights.

    Args:
        source: a .safetensors file, a folder, or a hub id.
        out: the file to write, ending in .safetensors.
        config: the config.json, where it is not beside the weights.
        dtype: of the stored weights; bf16 halves the file, and loading gives float32 back.
        licence: of the weights, stored in the header; None = what is known of the source.
        may_download: fetch a hub id that is not in the local cache.
        may_overwrite: replace a file at `out`.

    Raises:
        CheckpointError: if the file is damaged, hostile, a pickle, or not AuraSR's.
        WeightsError: if a hub id is not here, or cannot be fetched.
        UsageError: if `out` exists or has another suffix.
        T2IGanError: if `out` cannot be written.
    """
    out = Path(out)
    check_target(out, may_overwrite=may_overwrite)
    found = find_source(source, config=Path(config) if config else None, may_download=may_download)
    if out.exists() and out.samefile(found.weights):
        raise UsageError(f"{out}: is the file to convert. Choose another --out.")
    sizes, tensors = _read(found)
    stored = {name: tensor.to(DTYPES[dtype]) for name, tensor in tensors.items()}
    header = _header(found, sizes, stored, dtype=dtype, licence=licence)
    warnings = (*_licence_warning(header.progress["licence"]), *_change(out, header))
    write(out, stored, header)
    return Converted(header, warnings)


def _read(found: Source) -> tuple[AuraSRConfig, dict[str, Tensor]]:
    """Our config, and the tensors of the file under our names; they are the mapped file."""
    path = found.weights
    names = checkpoint.read_layout(path)  # its errors are lines of ours
    if not all(name.isprintable() and len(name) <= MAX_NAME for name in names):
        raise CheckpointError(f"{path}: has tensors whose names are no names. Do not trust the file.")
    with found.config.open(encoding="utf-8", errors="replace") as file:
        text = file.read(MAX_CHARACTERS)
    config = config_of(read_config(text, source=str(found.config)), source=str(found.config))
    try:
        with safe_open(str(path), "pt") as file:
            if "t2igan.format" in (file.metadata() or {}):
                raise CheckpointError(f"{path}: a t2igan checkpoint already; there is nothing to convert.")
            tensors = {name: file.get_tensor(name) for name in names}
        return config, own_tensors(tensors, config)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}). Copy or download it again.") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


def _header(
    found: Source, sizes: AuraSRConfig, stored: dict[str, Tensor], *, dtype: Dtype, licence: str | None
) -> Header:
    network = assemble({name: tensor.float() for name, tensor in stored.items()}, sizes)
    tested = run_self_test(network)
    if tested is None:
        raise CheckpointError(f"{found.weights}: draws no numbers but NaN or infinity. Fetch the file again.")
    with found.weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {"source": found.name, "revision": found.revision, "sha256": digest}
    told = {"licence": licence or found.licence, "dtype": dtype, "self_test": tested}
    return Header("upsampler", config=json.loads(to_json(sizes)), progress=origin | told)


def _licence_warning(licence: str) -> tuple[str, ...]:
    if licence == UNCLEAR:
        return (
            "the licence of these weights is unclear: their page says `cc` and names no variant. fal/AuraSR-v2 is apache-2.0.",
        )
    if licence == NOT_STATED:
        return ("nobody said what licence these weights have. --licence stores it in the file.",)
    return ()


def _change(out: Path, header: Header) -> tuple[str, ...]:
    """Whether the same weights draw something else than when the file that is replaced was written."""
    try:
        before = checkpoint.read_header(out).progress
    except CheckpointError:  # none, or another program's
        return ()
    now = header.progress
    is_same = all(before.get(key) == now[key] for key in ("sha256", "dtype"))
    if not is_same or agrees(before.get("self_test"), now["self_test"]):
        return ()
    return (
        f"the same weights draw another picture than when {out} was written: self-test {now['self_test']}, "
        f"then {before.get('self_test')}.",
    )
