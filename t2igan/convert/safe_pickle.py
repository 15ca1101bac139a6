"""Foreign pickles and torch files -> plain values, inert records and tensors on demand. Not `pickle`, and no foreign code is run.

Three layouts: a plain pickle (dill's too), where each tensor's storage is a torch file in bytes; torch.save's old layout,
some pickles followed by the numbers; and its zip. All three are read here by one restricted interpreter (pickle_machine.py)
with one list of admitted names (pickle_globals.py); neither `pickle.load` nor `torch.load` is ever called.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from t2igan.convert.mapped_file import MappedFile, open_mapped
from t2igan.convert.pickle_globals import MAKERS, STORAGES, Makers
from t2igan.convert.pickle_machine import Machine
from t2igan.convert.pickled import Buffer, Global, Storage
from t2igan.errors import CheckpointError

TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # the number that torch.save's old layout begins with
TORCH_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the same, as a pickle
TORCH_PROTOCOL = 1001


def load(path: str | Path) -> Any:
    """Read a file without running anything that it says.

    Args:
        path: a pickle, a dill pickle, or what torch.save writes. It must stay as it is while tensors are read from it.

    Returns:
        Plain values: dicts, lists, tuples, sets, numbers, text; `Record`s for foreign objects; `PickledTensor`s and
        `PickledArray`s, whose `read` gives a tensor.

    Raises:
        CheckpointError: in one line, if the file is damaged or mentions anything that is not admitted.
    """
    if sys.byteorder != "little":
        raise CheckpointError(f"{path}: foreign pickles are read on little-endian machines only.")
    stream = open_mapped(path)
    start = bytes(stream.data[: len(TORCH_START)])
    try:
        if start.startswith(b"PK"):
            return _load_zip(Path(path))
        return _load_torch(stream) if start == TORCH_START else Machine(stream, makers=_PLAIN).run()
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _load_torch(stream: MappedFile) -> Any:
    """torch.save's old layout: magic, protocol, system, value, keys; then for each key a count and the numbers."""
    if Machine(stream).run() != TORCH_MAGIC or Machine(stream).run() != TORCH_PROTOCOL:
        raise CheckpointError("a storage that torch.save has not written. Copy or download it again.")
    Machine(stream).run()
    storages: dict[str, Storage] = {}
    value = Machine(stream, persistent=partial(_persistent, storages, _missing)).run()
    keys = Machine(stream).run()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise CheckpointError("a torch file without the list of its storages. Copy or download it again.")
    for key in keys:
        count = stream.read(8)
        storage = storages.get(key)
        if storage is None or len(count) < 8 or struct.unpack("<q", count) != (storage.numel,):
            raise CheckpointError("a torch file that is cut short or damaged. Copy or download it again.")
        storage.fetch = partial(_same, stream.read(storage.numel * storage.dtype.itemsize))
    return value


def _load_zip(path: Path) -> Any:
    """torch.save's zip: NAME/data.pkl, and the numbers of storage KEY in NAME/data/KEY."""
    try:
        archive = zipfile.ZipFile(path)
        members = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise CheckpointError(f"a damaged zip ({error}). Copy or download it again.") from error
    names = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(names) != 1:
        raise CheckpointError(
            "a zip that torch.save has not written: it needs one NAME/data.pkl. Unpack it first."
        )
    folder = names[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in members and _member(archive, members, order) != b"little":
        raise CheckpointError("numbers in big-endian order. Save it on another machine.")
    fetch = partial(_fetch, archive, members, f"{folder}data/")
    pickled = MappedFile(memoryview(_member(archive, members, names[0])))
    return Machine(pickled, persistent=partial(_persistent, {}, fetch)).run()


def _member(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> bytes:
    info = members.get(name)
    # torch does not compress, so a member that would grow when read is no work of torch's
    if info is None or info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise CheckpointError(f"{name[:80]!r} is missing or compressed, which torch.save never does.")
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, EOFError, OSError) as error:
        raise CheckpointError(f"{name[:80]!r} is damaged ({error}). Copy or download it again.") from error


def _fetch(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: str, key: str) -> Buffer:
    return _member(archive, members, folder + key)


def _persistent(storages: dict[str, Storage], fetch: Callable[[str], Buffer], words: Any) -> Any:
    """Answer a persistent id of torch: ("storage", type, key, device, count[, view]), and ("module", class, file, source)."""
    match words:
        case ("module", Global() as named, _, _):
            return named
        case ("storage", Global() as kind, str(key), str(), int(numel), *view) if view in ([], [None]):
            if kind not in STORAGES or not 0 <= numel < 2**48:
                raise CheckpointError(f"a storage of type {kind} with {numel} numbers.")
            made = Storage(STORAGES[kind], numel, partial(fetch, key))
            return storages.setdefault(key, made)
    raise CheckpointError("a reference that torch.save does not write.")


def _missing(key: str) -> Buffer:
    raise CheckpointError(f"the numbers of storage {key[:40]!r} are missing. Copy or download it again.")


def _same(data: Buffer) -> Buffer:
    return data


def _storage(data: Buffer) -> Storage:
    """`torch.storage._load_from_bytes`, which would call torch.load."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError("a storage that is not bytes")
    found = _load_torch(MappedFile(memoryview(data)))
    if not isinstance(found, Storage):
        raise CheckpointError("bytes that hold no storage. Copy or download it again.")
    return found


_PLAIN: Makers = {**MAKERS, Global("torch.storage", "_load_from_bytes"): _storage}
