"""Opens what a user names as a source of pictures: a folder, or a zip. Not shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2igan.data.archive import ZipArchive
from t2igan.data.fileset import FileSet
from t2igan.data.folder import Folder


@contextmanager
def open_files(source: Path) -> Iterator[FileSet]:
    """The files of a folder or of a zip, which is read in place.

    Raises:
        DataError: if there is neither, or the zip cannot be read.
    """
    if not source.is_file():
        yield Folder(source)
        return
    with ZipArchive(source) as archive:
        yield archive
