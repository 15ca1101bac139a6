"""A folder of pictures as a set of files. Not trusted: nothing outside of it is opened, through a link or `..`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from t2igan.data.pixels import BadSampleError
from t2igan.errors import DataError


class Folder:
    """The files below a folder; links to other folders are not followed.

    Raises:
        DataError: if there is no such folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise DataError(f"{path}: no such folder. Give the folder, or the .zip, that holds the images.")
        self.path = path
        self.label = path.resolve().name
        self._root = path.resolve()

    def names(self) -> list[str]:
        """Every file below the folder: those of a folder in order, then its sub-folders in order."""
        found: list[str] = []
        for root, folders, files in os.walk(self.path):
            folders.sort()
            found += [Path(root, file).relative_to(self.path).as_posix() for file in sorted(files)]
        return found

    def repeated(self) -> list[str]:
        """None: a folder has every name once."""
        return []

    def check(self, name: str) -> None:
        """Make sure that a name stands for a plain file inside the folder."""
        self._inside(name)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        try:
            return self._inside(name).stat().st_size
        except OSError as error:
            raise BadSampleError("cannot be read", str(error.strerror)) from error

    def open(self, name: str) -> IO[bytes]:
        """Open a file."""
        try:
            return self._inside(name).open("rb")
        except OSError as error:
            raise BadSampleError("cannot be read", str(error.strerror)) from error

    def _inside(self, name: str) -> Path:
        """The real path of a file that must lie in the folder and be a plain file."""
        try:
            path = (self.path / name).resolve()
            if not path.is_relative_to(self._root):
                raise BadSampleError("outside the folder", "a link, an absolute path or `..`")
            if not path.is_file():
                raise BadSampleError("no such file", name)
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL in the name, too long
            raise BadSampleError("not a usable file name", str(error)) from error
        return path
