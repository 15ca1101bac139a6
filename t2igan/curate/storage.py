"""Folders of shards, on this machine or at any fsspec URL (s3://, gs://, hf://, ...). Not what is in the files.

A file appears under its name whole or not at all. Local files are used where they lie; others are fetched one at a time.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from t2igan.errors import DataError
from t2igan.files import is_running, replace_durably

URL = re.compile(r"\w[\w+.-]*://")
# An upload shows when it is complete.
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "az", "hf", "oss", "memory"}
CLIENTS = {
    "adlfs", "aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google", "httpx", "huggingface_hub", "oss2", "ossfs",
    "requests", "s3fs", "urllib3",
}  # libraries behind fsspec whose errors are not all OSErrors: missing credentials, refused access, ...  # fmt: skip
TEMPORARY = re.compile(r"\..+\.([^.]+)\.(\d+)\.tmp")


@dataclass(frozen=True)
class Folder:
    """A folder by its path or URL; cheap to copy into other processes."""

    url: str

    @cached_property
    def _remote(self) -> tuple[Any, str] | None:
        """The file system and the folder's path in it; None = a local folder."""
        if not URL.match(self.url):
            return None
        import fsspec

        try:
            return fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError, OSError) as error:
            raise DataError(f"{self.url}: cannot be opened ({error}). Install fsspec's package for this kind of URL "
                            "(s3fs, gcsfs, adlfs, ...), or check the address.") from error  # fmt: skip

    @property
    def path(self) -> Path | None:
        """Where a local folder lies; None for others."""
        return None if URL.match(self.url) else Path(self.url)

    @property
    def place(self) -> str:
        """The same for every way to name one folder: links and relative paths are resolved."""
        local = self.url.removeprefix("file://")
        return self.url.rstrip("/") if URL.match(local) else str(Path(local).resolve())

    def where(self, name: str) -> str:
        """Path or URL of a file, for people."""
        return f"{self.url.rstrip('/')}/{name}"

    @property
    def is_writable(self) -> bool:
        """Whether files can be put there, as far as that can be told without trying."""
        if self.path is None:
            return True
        there = next(path for path in (self.path.absolute(), *self.path.absolute().parents) if path.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)

    def names(self) -> set[str]:
        """Names of the files in it; none if there is no such folder."""
        with self._explained(""):
            if self._remote is None:
                return {entry.name for entry in os.scandir(self.url)} if Path(self.url).is_dir() else set()
            system, root = self._remote
            system.invalidate_cache()
            try:  # system.exists() takes any trouble for a "no"
                return {str(name).rstrip("/").rsplit("/", 1)[-1] for name in system.ls(root, detail=False)}
            except FileNotFoundError:
                return set()

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with self._explained(name):
            if self._remote is None:
                return Path(self.url, name).is_file()
            system, root = self._remote
            try:  # and so does system.isfile(): a table that was not seen would be made anew
                return system.info(f"{root}/{name}")["type"] == "file"
            except FileNotFoundError:
                return False

    def size(self, name: str) -> int:
        """Bytes of a file.

        Raises:
            DataError: if it cannot be read.
        """
        with self._explained(name):
            if self._remote is None:
                return Path(self.url, name).stat().st_size
            system, root = self._remote
            return int(system.size(f"{root}/{name}"))

    def read(self, name: str) -> bytes:
        """A whole, small file.

        Raises:
            DataError: if it cannot be read.
        """
        with self._explained(name):
            if self._remote is None:
                return Path(self.url, name).read_bytes()
            system, root = self._remote
            return system.cat_file(f"{root}/{name}")

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """A file to read parts of, inside the block; what is not asked for need not travel.

        Raises:
            DataError: if it cannot be read.
        """
        with self._explained(name), contextlib.ExitStack() as stack:
            if self._remote is None:
                yield stack.enter_context(Path(self.url, name).open("rb"))
                return
            system, root = self._remote
            yield stack.enter_context(system.open(f"{root}/{name}", "rb"))

    @contextlib.contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A local file with the bytes of `name`, inside the block.

        Raises:
            DataError: if it cannot be read.
        """
        if self._remote is None:
            yield Path(self.url, name)
            return
        system, root = self._remote
        with tempfile.TemporaryDirectory(prefix="t2igan-") as folder:
            local = Path(folder, name)
            with self._explained(name):
                system.get_file(f"{root}/{name}", str(local))
            yield local

    def put(self, name: str, data: bytes) -> None:
        """Write a small file.

        Raises:
            DataError: if it cannot be written.
        """
        with self.writing(name) as path:
            path.write_bytes(data)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A temporary local path; what the block writes there appears as `name` when the block ends well.

        Raises:
            DataError: if it cannot be written; nothing is left behind.
        """
        with self._explained(name, writes=True):
            if self._remote is None:
                with _temporary_in(Path(self.url), name) as path:
                    yield path
                    replace_durably(path, Path(self.url, name))
                return
            system, root = self._remote
            with tempfile.TemporaryDirectory(prefix="t2igan-") as folder:
                path = Path(folder, name)
                yield path
                _upload(system, path, root, name)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with self._explained(name, writes=True):
            if self._remote is None:
                Path(self.url, name).unlink(missing_ok=True)
            elif self.has(name):
                system, root = self._remote
                system.rm_file(f"{root}/{name}")

    def sweep(self) -> None:
        """Remove what processes of this machine that are dead left half written in a local folder."""
        if self.path is None or not self.path.is_dir():
            return
        for path in self.path.glob(".*.tmp"):
            found = TEMPORARY.fullmatch(path.name)
            if found and found[1] == _host() and not is_running(int(found[2])):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self, name: str, *, writes: bool = False) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in CLIENTS:
                raise
            what = "written" if writes else "read"
            fix = (
                "the free space, permissions and credentials"
                if writes
                else "the address, permissions and credentials"
            )
            raise DataError(f"{self.where(name) if name else self.url}: cannot be {what} ({getattr(error, 'strerror', None) or error}). "
                            f"Check {fix}.") from error  # fmt: skip


@contextlib.contextmanager
def _temporary_in(folder: Path, name: str) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.{_host()}.{os.getpid()}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _upload(system: Any, local: Path, root: str, name: str) -> None:
    """Put a file where its reader finds it whole or not at all."""
    protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    system.makedirs(root, exist_ok=True)
    if protocols & OBJECT_STORES:
        system.put_file(str(local), f"{root}/{name}")
        return
    temporary = f"{root}/.{name}.{_host()}.{os.getpid()}.tmp"
    system.put_file(str(local), temporary)
    system.mv(temporary, f"{root}/{name}")


def _host() -> str:
    return re.sub(r"\W", "_", socket.gethostname())
