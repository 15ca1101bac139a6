"""A folder of this machine that holds the shards used last. Several processes may share it; it never says what to read."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from t2igan.data.remote import fetch
from t2igan.data.tars import check_end
from t2igan.errors import DataError
from t2igan.files import replace_durably, temporary_name

log = logging.getLogger(__name__)


class ShardCache:
    """URL -> local copy, fetched whole at the first need; the least recently used go when room is wanted."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes

    def path(self, url: str) -> Path:
        """Where the copy of a shard lies, or would lie."""
        place, _, name = url.rpartition("/")
        safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
        return self.folder / hashlib.sha256(place.encode()).hexdigest()[:16] / safe

    def local(self, url: str) -> Path:
        """The copy of a shard, fetched if it is not there.

        Raises:
            DataError: if it cannot be fetched, is cut off, or the folder cannot be written.
        """
        path = self.path(url)
        if not self._touch(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with _locked(path.with_suffix(".lock")):
                    if not self._touch(path):  # another process may have fetched it meanwhile
                        self._fetch(url, path)
            except OSError as error:
                raise DataError(f"{self.folder}: cannot be written ({error.strerror}). Make room, or set another "
                                "data.cache_dir.") from error  # fmt: skip
        return path

    def _touch(self, path: Path) -> bool:
        """Whether the copy is there; it is the most recently used one then."""
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def _fetch(self, url: str, path: Path) -> None:
        temporary = temporary_name(path)
        try:
            fetch(url, temporary)
            check_end(temporary)
            self._make_room(temporary.stat().st_size)
            replace_durably(temporary, path)
        except DataError as error:
            raise DataError(str(error).replace(str(temporary), url)) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> None:
        """Remove the copies used longest ago until `wanted` more bytes fit."""
        copies = sorted(_copies(self.folder))  # by the time of the last use
        used = sum(size for _, size, _ in copies)
        for _, size, path in copies:
            if used + wanted <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            used -= size


def _copies(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob("*/*.tar"):
        with contextlib.suppress(FileNotFoundError):  # another process makes room too
            found = path.stat()
            yield found.st_mtime, found.st_size, path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; on file systems without locks two may fetch the same shard, which costs time only."""
    with path.open("a") as file:
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield
