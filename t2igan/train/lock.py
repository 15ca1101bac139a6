"""One run, one process (group): a lock on the run's folder that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2igan import dist
from t2igan.errors import T2IGanError, UsageError


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold RUN/.lock on rank 0 inside the block; the kernel lets go of it however the process ends.

    Raises:
        UsageError: if another process trains in this folder.
        T2IGanError: if the folder cannot be written.
    """
    if dist.rank() != 0:
        yield
        return
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        file = (run_dir / ".lock").open("a+")
    except OSError as error:
        raise T2IGanError(
            f"{run_dir}: cannot be written ({error.strerror}). Choose another --out."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise UsageError(
                f"{run_dir}: another process ({holder}) is training in this folder. Wait for it, or choose another --out."
            ) from error
        except OSError:
            pass  # a file system without locks; two runs in one folder stay the user's mistake to avoid
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
        yield
