"""Pictures and their captions by name, wherever they lie: a folder, or an archive that is never unpacked. No formats."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import IO, Protocol

from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import IMAGE_SUFFIXES

OTHER_PICTURES = ("avif", "bmp", "gif", "heic", "heif", "jfif", "jpe", "jxl", "tif", "tiff")
"""Suffixes of pictures that are usually not JPEG, PNG or WebP; they are looked at, as their content decides."""
PICTURE_SUFFIXES = frozenset(IMAGE_SUFFIXES + OTHER_PICTURES)
NOISE = (
    "__MACOSX/",
    "._",
)  # what macOS adds to archives and shared folders: half-files named like the real ones


class FileSet(Protocol):
    """Files by name; names have forward slashes and are relative to the set."""

    label: str
    """What messages and data sets call it: the name of the folder or archive."""

    def names(self) -> list[str]:
        """Every file, in the order of their names; each once."""
        ...

    def repeated(self) -> list[str]:
        """Names of further files that have the name of another one, and cannot be reached."""
        ...

    def check(self, name: str) -> None:
        """Make sure that a name, listed or not, may be opened.

        Raises:
            BadSampleError: saying why not: it leads outside, is a link, is encrypted, does not exist, ...
        """
        ...

    def size(self, name: str) -> int:
        """Bytes that opening it yields.

        Raises:
            BadSampleError: as `check`.
        """
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open for reading; seekable.

        Raises:
            BadSampleError: as `check`, or if it cannot be opened.
        """
        ...


def read_file(files: FileSet, name: str, *, limit: int) -> bytes:
    """All bytes of one file, judged by its size before and while reading.

    Raises:
        BadSampleError: if it is larger than `limit` bytes, damaged, or may not be opened.
    """
    if files.size(name) > limit:
        raise BadSampleError(f"{_kind(name)} too large", f"{files.size(name)} bytes, at most {limit}")
    with files.open(name) as file:
        try:
            data = file.read(limit + 1)
        except Exception as error:  # decompressors raise almost anything on hostile bytes
            raise BadSampleError("cannot be read", str(error)) from error
    if len(data) > limit:
        raise BadSampleError(f"{_kind(name)} too large", f"more than {limit} bytes")
    return data


def _kind(name: str) -> str:
    return "file" if is_picture(name) else PurePosixPath(name).suffix or "file"


def is_picture(name: str) -> bool:
    """Whether a file is one of the pictures, by its name."""
    path = PurePosixPath(name)
    is_noise = name.startswith(NOISE[0]) or path.name.startswith(NOISE[1])
    return path.suffix.lower().lstrip(".") in PICTURE_SUFFIXES and not is_noise
