"""CLIP image embeddings beside a score table: NNNNN.image-CLIP.safetensors. Computes none.

`embed` [rows, D] float16 has a row of unit length a sample, in the order of the tar; a row that was not measured is zeros.
The table's column `embedding:CLIP` says which are known. Metadata name the CLIP, its weights, and the tar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from t2igan.curate.embed.sidecar import FORMAT, read_front, write_sidecar
from t2igan.curate.storage import Folder
from t2igan.curate.table import EMBEDDING, SUFFIX, ScoreTable
from t2igan.data.sidecar import EMBED
from t2igan.errors import DataError
from t2igan.tensor_file import Layout

MIDDLE, END = ".image-", ".safetensors"


def embeddings_name(table_name: str, column: str) -> str:
    """File name of the embeddings that belong to a table; characters that file names may lack become `_`."""
    clip = re.sub(r"[^\w.+-]", "_", column.removeprefix(EMBEDDING), flags=re.ASCII)
    return f"{table_name.removesuffix(SUFFIX)}{MIDDLE}{clip}{END}"


def stem_of_images(name: str) -> str | None:
    """The shard that a file name of embeddings belongs to; None if it is none."""
    stem, middle, rest = name.partition(MIDDLE)
    return stem if middle and rest.endswith(END) else None


def has_embeddings(folder: Folder, table_name: str, table: ScoreTable, column: str) -> bool:
    """Whether the embeddings that a table's column speaks of are there; so they are if it speaks of none."""
    if column not in table.columns.column_names or not _known(table, column).any():
        return True
    name = embeddings_name(table_name, column)
    try:
        return folder.has(name) and not _why_unfit(read_front(folder, name), table, column)
    except DataError:
        return False


def add_embeddings(
    folder: Folder, table_name: str, table: ScoreTable, column: str, new: Mapping[int, np.ndarray]
) -> None:
    """Write new embeddings, with those that are there already; before the table, which is what says that they are there.

    Args:
        folder: of the table.
        table_name: its file name.
        table: its new content.
        column: that says which rows are known.
        new: row -> [D], at least one.

    Raises:
        DataError: if the file cannot be written, or the one that is there does not fit.
    """
    rows = np.zeros((len(table), len(next(iter(new.values())))), np.float16)
    earlier = np.setdiff1d(np.flatnonzero(_known(table, column)), list(new))
    if len(earlier):
        rows[earlier] = read_embeddings(folder, table_name, table, column, earlier)
    rows[list(new)] = np.stack(list(new.values()))
    with folder.writing(embeddings_name(table_name, column)) as path:
        write_sidecar(path, {EMBED: rows}, _metadata(table, column))


def read_embeddings(
    folder: Folder, table_name: str, table: ScoreTable, column: str, rows: np.ndarray
) -> np.ndarray:
    """Some rows [n] of the embeddings that belong to a table; float16 [n, D].

    Raises:
        DataError: if they are not there, or not those that the table was made with.
    """
    name = embeddings_name(table_name, column)
    make = f"`t2igan data score --clip {column.removeprefix(EMBEDDING)} --embeddings`"
    if not folder.has(name):
        raise DataError(
            f"{folder.where(name)}: is missing, and the table beside it speaks of it. Make it with {make}."
        )
    with folder.fetched(name) as path:
        try:
            layout = read_front(Folder(str(path.parent)), path.name)
            why = _why_unfit(layout, table, column)
            if why:
                raise DataError(f"{path.name}: {why}.")
        except DataError as error:
            raise DataError(
                f"{folder.where(name)}: cannot be used. Remove it, and make it anew with {make}. ({error})"
            ) from error
        at = layout.tensors[EMBED]
        every = np.memmap(path, "<f2", mode="r", offset=layout.data_start + at.start, shape=at.shape)
        return np.array(every[rows])


def _known(table: ScoreTable, column: str) -> np.ndarray:
    """Which rows have embeddings; bool [rows]."""
    return table.columns[column].is_valid().to_numpy()


def _metadata(table: ScoreTable, column: str) -> dict[str, str]:
    origin = table.origins[column]
    return {
        "format": FORMAT,
        "clip": origin.model,
        "weights": origin.weights,
        "count": str(len(table)),
        "input_bytes": str(table.source.bytes),
        "input_sha256": table.source.sha256,
    }


def _why_unfit(layout: Layout, table: ScoreTable, column: str) -> str:
    """Why a file is not what a table speaks of; empty if it is."""
    for name, value in _metadata(table, column).items():
        found = layout.strings.get(name)
        if found != value:
            return f"was made with {name} {found}, the table beside it with {value}"
    return why_other_tar(layout, table.source.sha256, len(table))


def why_other_tar(layout: Layout, sha256: str, count: int) -> str:
    """Why a file is not of a tar of `count` samples; empty if it is."""
    if layout.strings.get("input_sha256") != sha256:
        return "was made from a tar of other bytes"
    at = layout.tensors.get(EMBED)
    is_whole = (
        at is not None
        and at.dtype == "F16"
        and len(at.shape) == 2
        and at.shape[0] == count
        and at.end - at.start == 2 * at.shape[0] * at.shape[1]
    )
    return "" if is_whole else f"does not hold {EMBED} of float16, with {count} rows"
