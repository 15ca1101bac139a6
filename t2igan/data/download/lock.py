"""One download, one process: a lock on its folder that lives as long as its child does. Not for training runs."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2igan.errors import DataError, UsageError

PATIENCE_S = 10  # the child of a parent that was killed ends within a second


@contextmanager
def folder_lock(folder: Path) -> Iterator[int]:
    """Hold FOLDER/.lock inside the block; yields its descriptor, which a child that inherits it holds on to.

    Raises:
        UsageError: if another process downloads into this folder.
        DataError: if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}). Choose another --out.") from error
    with file:
        until = time.monotonic() + PATIENCE_S
        while not _is_locked(file.fileno()):
            if time.monotonic() > until:
                raise UsageError(
                    f"{folder.parent}: another process downloads into it. Wait, or choose another --out."
                )
            time.sleep(0.1)
        yield file.fileno()


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # a file system without locks; two downloads in one folder stay the user's mistake
    return True
