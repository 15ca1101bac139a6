"""Writing files so that they are there whole or not at all. Not what is in them."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from t2igan.errors import T2IGanError

_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")


def temporary_name(path: Path) -> Path:
    """Where this process writes what is to become `path`: beside it, hidden, with the process's number."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write `data` to a temporary name beside `path`, then rename; folders are made as needed.

    Raises:
        T2IGanError: if the folder cannot be written or the disk is full; nothing is left behind.
    """
    path = Path(path)
    temporary = temporary_name(path)
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


def replace_durably(temporary: Path, path: Path) -> None:
    """Give a finished file its name, so that a power cut leaves the old file or the new one, whole.

    Raises:
        OSError: if its bytes cannot be brought to the disk.
    """
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk; file systems that cannot (some of networks) are left to themselves."""
    with contextlib.suppress(OSError):
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove the temporary files below `folder` that no living process of this machine is writing.

    Returns:
        What was removed.
    """
    removed = []
    for path in sorted(folder.rglob(".*.tmp")):
        found = _TEMPORARY.fullmatch(path.name)
        if found and not _is_another_process(int(found[1])):
            with contextlib.suppress(OSError):  # it may be gone by now, or somebody else's
                path.unlink()
                removed.append(path)
    return removed


def _is_another_process(number: int) -> bool:
    # an earlier process that had our number is none, as in a container that starts again
    return number != os.getpid() and is_running(number)


def is_running(number: int) -> bool:
    """Whether there is a process with this number on this machine that can still do something."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _is_zombie(number)


def _is_zombie(number: int) -> bool:
    """Whether a process has ended and nobody has asked how, as in containers whose first process is no init."""
    try:
        return Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(") ")[2].startswith("Z")
    except OSError:
        return False


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
