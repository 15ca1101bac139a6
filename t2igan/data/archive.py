"""A zip of pictures as a set of files, read in place: nothing is unpacked, no name in it becomes a path. Not trusted."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from t2igan.data.pixels import BadSampleError
from t2igan.errors import DataError

ENCRYPTED = 0x1  # bit of a member's flags
MAX_RATIO = (
    100  # all members together against the archive; pictures hardly shrink, captions by a factor of 10
)
SLACK = 2**30  # bytes that may always be unpacked


class ZipArchive:
    """The members of a zip; use it in a `with` block.

    Of several members with one name the first counts. Links, encrypted members and names that lead outside are seen
    but never opened.

    Raises:
        DataError: if the file is missing, truncated, no zip, or unpacks to more than any pictures would.
    """

    def __init__(self, path: Path) -> None:
        self.label = path.stem
        try:
            self._zip = zipfile.ZipFile(path)
        except Exception as error:  # zipfile raises almost anything on hostile bytes
            raise DataError(f"{path}: not a readable zip ({error}). Was it fetched completely?") from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._repeated: list[str] = []
        for member in self._zip.infolist():
            if member.filename.endswith("/"):
                continue
            if member.filename in self._members:
                self._repeated.append(member.filename)
            self._members.setdefault(member.filename, member)
        self._refuse_bomb(path)

    def _refuse_bomb(self, path: Path) -> None:
        total, packed = sum(m.file_size for m in self._zip.infolist()), path.stat().st_size
        if total > SLACK + MAX_RATIO * packed:
            self._zip.close()
            raise DataError(
                f"{path}: {packed} bytes that unpack to {total}: a zip bomb. Pictures hardly shrink."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._zip.close()

    def names(self) -> list[str]:
        """Every member, in the order of their names."""
        return sorted(self._members)

    def repeated(self) -> list[str]:
        """Members with the name of an earlier one."""
        return self._repeated

    def check(self, name: str) -> None:
        """Make sure that a member is a plain file with a harmless name."""
        self._member(name)

    def size(self, name: str) -> int:
        """Bytes of a member, as the archive claims; reading stops there."""
        return self._member(name).file_size

    def open(self, name: str) -> IO[bytes]:
        """Open a member."""
        try:
            return self._zip.open(self._member(name))
        except Exception as error:  # the same
            raise BadSampleError("damaged in the zip", str(error)) from error

    def _member(self, name: str) -> zipfile.ZipInfo:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise BadSampleError("outside the archive", "an absolute path, `..`, a drive or a backslash")
        if name not in self._members:
            raise BadSampleError("no such file", name)
        member = self._members[name]
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was made on Windows
        if kind not in (0, stat.S_IFREG):
            raise BadSampleError("a link in the archive", name)
        if member.flag_bits & ENCRYPTED:
            raise BadSampleError("encrypted", "unpack it with its password first")
        return member
