"""Writing NNNNN.text-FINGERPRINT.safetensors, and reading what stands in front of one. Encodes nothing.

The safetensors library writes metadata in an order that differs from run to run; equal sidecars are to be equal bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path, PurePath

import numpy as np

from t2igan.curate.storage import Folder
from t2igan.data.sidecar import EMBED, OFFSETS, sidecar_path
from t2igan.errors import CheckpointError, DataError
from t2igan.tensor_file import Layout, parse_layout

FORMAT = "1"
TOKENS, TOKEN_OFFSETS = "tokens", "token_offsets"
MIDDLE, END = ".text-", ".safetensors"
DTYPES = {"<f2": "F16", "<i8": "I64"}
ORDER = (OFFSETS, TOKEN_OFFSETS, EMBED, TOKENS)  # numbers of eight bytes first, so that all are aligned
ALIGNMENT = 8


def sidecar_name(stem: str, fingerprint: str) -> str:
    """File name of a shard's embeddings."""
    return sidecar_path(Path(f"{stem}.tar"), fingerprint).name


def stem_of(name: str) -> str | None:
    """The shard that a file name of a sidecar belongs to; None if it is none."""
    stem, middle, rest = PurePath(name).name.partition(MIDDLE)
    return stem if middle and rest.endswith(END) else None


def write_sidecar(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata; equal contents give equal bytes.

    Args:
        path: the file.
        tensors: float16 or int64, by name.
        metadata: strings that a reader checks.
    """
    arrays = {name: np.ascontiguousarray(tensors[name]) for name in ORDER if name in tensors}
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": DTYPES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.tobytes())


def read_front(folder: Folder, name: str) -> Layout:
    """Metadata and shapes of a sidecar, without its rows.

    Raises:
        DataError: if it cannot be read, or is no such file.
    """
    try:
        with folder.opened(name) as file:
            return parse_layout(file, folder.size(name), name=folder.where(name))
    except CheckpointError as error:
        raise DataError(str(error)) from error


def why_unfit(layout: Layout, stem: str, name: str, input_bytes: int) -> str:
    """What is wrong with the sidecar `name` of a shard of `input_bytes` bytes, by its front; empty if nothing is."""
    made_by = layout.strings.get("fingerprint", "")
    if sidecar_name(stem, made_by) != name:
        return f"says that it was made by {made_by or 'nobody'}"
    if layout.strings.get("input_bytes") != str(input_bytes):
        return f"was made from a shard of {layout.strings.get('input_bytes')} bytes; it has {input_bytes} now"
    found = {key: (layout.tensors[key].dtype, len(layout.tensors[key].shape)) for key in layout.tensors}
    expected = {EMBED: ("F16", 2), OFFSETS: ("I64", 1)}
    if TOKENS in found:
        expected |= {TOKENS: ("F16", 2), TOKEN_OFFSETS: ("I64", 1)}
    return "" if found == expected else f"holds {found}, not {expected}"
