"""Writing a small file so that it is there whole or not at all. Not for checkpoints, which safetensors writes itself."""

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
