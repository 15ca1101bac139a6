"""One run, one process (group): a lock on the run's folder that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import torch

from t2igan import dist
from t2igan.errors import T2IGanError, UsageError
from t2igan.train.agreement import together


@contextmanager
def run_lock(run_dir: Path, device: torch.device) -> Iterator[None]:
    """Hold RUN/.lock on rank 0 inside the block; the kernel lets go of it however the process ends.

    Raises:
        UsageError: if another process trains in this folder.
        T2IGanError: if the folder cannot be written.
    """
    file = None
    with together(device):
        if dist.rank() == 0:
            file = _locked(run_dir)
    try:
        yield
    finally:
        if file is not None:
            file.close()


def _locked(run_dir: Path) -> TextIO:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        file = (run_dir / ".lock").open("a+")
    except OSError as error:
        raise T2IGanError(
            f"{run_dir}: cannot be written ({error.strerror}). Choose another --out."
        ) from error
    try:
        # Unlike flock's, this lock is not inherited by child processes, which may outlive a killed parent for seconds.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        with file:
            file.seek(0)
            holder = file.read().strip() or "unknown"
        raise UsageError(
            f"{run_dir}: another process ({holder}) is training in this folder. Wait for it, or choose another --out."
        ) from error
    except OSError:
        pass  # a file system without locks; two runs in one folder stay the user's mistake to avoid
    _sign(file)
    return file


def _sign(file: TextIO) -> None:
    """Say whose lock it is; on a full disk it stays nameless."""
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
    except OSError:
        return
