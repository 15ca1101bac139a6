"""Writing small files so that they are there whole or not at all. Not checkpoints, which safetensors writes itself."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from t2igan.errors import T2IGanError


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write `data` to a temporary name beside `path`, then rename; folders are made as needed.

    Raises:
        T2IGanError: if the folder cannot be written or the disk is full; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = error.strerror or error
        raise T2IGanError(
            f"{path}: cannot be written ({reason}). Check the folder's permissions and the free space."
        ) from error


def check_folder(folder: str | Path) -> None:
    """Refuse an output folder that cannot be made or written, before work is spent on what should go there.

    Raises:
        T2IGanError: naming the part of the path that is in the way.
    """
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise T2IGanError(
            f"{folder}: cannot be written, as {existing} is no folder that you may write to. Choose another --out."
        )
