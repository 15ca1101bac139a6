"""The keep list of DataComp: a .npy of the kept samples' uids, sorted, to be looked up without reading it whole.

Each uid, 32 hex digits, is two uint64, its upper half first: 16 bytes a sample, so that 2 billion take 32 GB on disk. Rows
that share a uid cannot be told apart by it; the reasons beside it, row by row, can.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from t2igan.curate.spill import Spill
from t2igan.errors import DataError
from t2igan.files import replace_durably, temporary_name

UID = np.dtype("u8,u8")
DIGITS = 32


def uid_pairs(uids: pa.ChunkedArray, name: str) -> np.ndarray:
    """Both halves of uids, UID [rows].

    Args:
        uids: strings of 32 hex digits.
        name: whose they are, for messages.

    Raises:
        DataError: if one is anything else.
    """
    joined = "".join(uids.fill_null("").to_pylist())
    try:
        data = bytes.fromhex(joined)
    except ValueError:
        data = b""
    if len(joined) != DIGITS * len(uids) or len(data) * 2 != len(joined):
        raise DataError(f"{name}: has a uid that is not {DIGITS} hex digits. Score this shard again.")
    halves = np.frombuffer(data, ">u8").reshape(-1, 2)
    return _pairs(halves[:, 0], halves[:, 1])


def _pairs(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    pairs = np.empty(len(high), UID)
    pairs["f0"], pairs["f1"] = high, low
    return pairs


def write_keep_list(path: Path, uids: Iterable[np.ndarray], *, at_most: int) -> int:
    """Write a keep list whole or not at all, in memory of a few hundred MB whatever its length.

    Args:
        path: the .npy.
        uids: UID [n] in any order, repeats allowed.
        at_most: upper bound of their number.

    Returns:
        Number of distinct uids.

    Raises:
        OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        with Spill(UID, at_most) as spill, temporary.open("wb") as file:
            for some in uids:
                spill.add(some["f0"], some)
            count = _write(file, spill)
        replace_durably(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _write(file: IO[bytes], spill: Spill) -> int:
    """Sorted parts one after the other; their number is written first, once it is known."""
    count = 0
    _header(file, 2**62)  # as long as any: numpy leaves room for the number to change
    start = file.tell()
    for part in spill.parts():
        ordered = part[np.lexsort((part["f1"], part["f0"]))]
        is_new = np.ones(len(ordered), bool)
        is_new[1:] = ordered[1:] != ordered[:-1]
        file.write(ordered[is_new].tobytes())
        count += int(is_new.sum())
    file.seek(0)
    _header(file, count)
    assert file.tell() == start, "the header of a .npy changed its length"
    return count


def _header(file: IO[bytes], count: int) -> None:
    about: dict[str, Any] = {
        "descr": np.lib.format.dtype_to_descr(UID),
        "fortran_order": False,
        "shape": (count,),
    }
    np.lib.format.write_array_header_1_0(file, about)


def read_keep_list(path: str | Path) -> np.ndarray:
    """A keep list, memory-mapped; UID [n], sorted.

    Raises:
        DataError: if it cannot be read, or is another kind of array.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path}: cannot be read as a keep list ({error}). Give a keep.npy of `t2igan data select`."
        ) from error
    if found.dtype != UID or found.ndim != 1:
        raise DataError(
            f"{path}: holds {found.dtype} {found.shape}, not a keep list. Give a keep.npy of `t2igan data select`."
        )
    return found


def is_kept(keep: np.ndarray, uids: np.ndarray) -> np.ndarray:
    """Which uids are in a keep list, by binary search; bool [len(uids)]."""
    places = np.searchsorted(keep, uids)
    inside = places < len(keep)
    found = np.zeros(len(uids), bool)
    found[inside] = keep[places[inside]] == uids[inside]
    return found
