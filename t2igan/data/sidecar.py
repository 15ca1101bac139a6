"""Text embeddings beside a shard: NNNNN.text-FINGERPRINT.safetensors. Reads rows by memory map; writes none.

`embed` [rows, D] float16 holds one row a caption, in the order of read_captions(); sample i of the tar has the rows
`offsets[i]` to `offsets[i + 1]`. Metadata: `fingerprint` of the conditioner, and `input_bytes`, the size of the tar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from t2igan.errors import CheckpointError, DataError
from t2igan.tensor_file import Layout, read_layout

NAME = "{stem}.text-{fingerprint}.safetensors"
EMBED, OFFSETS = "embed", "offsets"
DTYPES = {EMBED: "F16", OFFSETS: "I64"}


def sidecar_path(shard: Path, fingerprint: str) -> Path:
    """Where the embeddings of a shard lie; characters that file names may lack become `_`."""
    safe = re.sub(r"[^\w.+-]", "_", fingerprint, flags=re.ASCII)
    return shard.with_name(NAME.format(stem=shard.stem, fingerprint=safe))


def has_any_sidecar(shards: Sequence[Path]) -> bool:
    """Whether a shard has embeddings of any conditioner."""
    return any(_names(folder) for folder in {shard.parent for shard in shards})


def why_not(shards: Sequence[Path], fingerprint: str) -> str:
    """Why the embeddings of a set of shards, by a conditioner's fingerprint, cannot be used; empty if they can."""
    there = {folder: _names(folder) for folder in {shard.parent for shard in shards}}
    paths = [sidecar_path(shard, fingerprint) for shard in shards]
    missing = [path for path in paths if path.name not in there[path.parent]]
    if len(missing) == len(paths):
        return f"those beside {shards[0]} are of another conditioner than {fingerprint}"
    if missing:
        return (
            f"{len(missing)} of {len(paths)} shards have none of this conditioner, such as {missing[0].name}"
        )
    for shard in shards:
        try:
            _check(shard, fingerprint)
        except DataError as error:
            return str(error)
    return ""


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob(NAME.format(stem="*", fingerprint="*"))}


def _check(shard: Path, fingerprint: str) -> Layout:
    """The layout of the sidecar of a shard as it is today.

    Raises:
        DataError: naming what does not fit.
    """
    path = sidecar_path(shard, fingerprint)
    try:
        layout = read_layout(path)
    except (CheckpointError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error}). {_again(path)}") from error
    made_by, size = layout.strings.get("fingerprint"), layout.strings.get("input_bytes")
    if made_by != fingerprint:
        raise DataError(f"{path}: is of conditioner {made_by}, not of {fingerprint}. {_again(path)}")
    if size != str(shard.stat().st_size):
        raise DataError(f"{path}: was made from another {shard.name}, of {size} bytes. {_again(path)}")
    if shard.stat().st_mtime_ns > path.stat().st_mtime_ns:
        raise DataError(
            f"{path}: is older than {shard.name}, whose captions may have changed. Run `t2igan data embed` again."
        )
    dtypes = {name: at.dtype for name, at in layout.tensors.items() if name in DTYPES}
    if dtypes != DTYPES or [len(layout.tensors[name].shape) for name in DTYPES] != [2, 1]:
        raise DataError(f"{path}: does not hold {EMBED} of float16 and {OFFSETS} of int64. {_again(path)}")
    return layout


def _again(path: Path) -> str:
    return f"Remove {path.name} and run `t2igan data embed` again."


class Sidecar:
    """The embeddings of one shard, mapped into memory."""

    def __init__(self, shard: Path, *, count: int, fingerprint: str) -> None:
        """Open the file beside a shard of `count` samples.

        Raises:
            DataError: if it is missing, or does not belong to the shard.
        """
        self.path = sidecar_path(shard, fingerprint)
        layout = _check(shard, fingerprint)
        if layout.tensors[OFFSETS].shape != (count + 1,):
            raise DataError(f"{self.path}: is not of the {count} samples of its shard. {_again(self.path)}")
        self._embed = self._map(layout, EMBED, "<f2")
        self._offsets = self._map(layout, OFFSETS, "<i8")

    def _map(self, layout: Layout, name: str, dtype: str) -> np.ndarray:
        at = layout.tensors[name]
        return np.memmap(self.path, dtype, mode="r", offset=layout.data_start + at.start, shape=at.shape)

    def row(self, sample: int, caption: int, *, captions: int) -> np.ndarray:
        """[D] float16 of one caption.

        Args:
            sample: its number in the shard.
            caption: its number among the sample's captions.
            captions: how many captions the sample has.

        Raises:
            DataError: if the file has another number of rows for the sample.
        """
        start, end = (int(offset) for offset in self._offsets[sample : sample + 2])
        if end - start != captions or not 0 <= start <= end <= len(self._embed):
            raise DataError(f"{self.path}: sample {sample} has {captions} captions, but {end - start} embeddings. "
                            f"{_again(self.path)}")  # fmt: skip
        return np.array(self._embed[start + caption])
