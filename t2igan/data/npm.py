"""Packages of npm as sources of data: fetched by the npm client, read in place. Not trusted, nothing is unpacked or run."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from t2igan.data.pixels import BadSampleError
from t2igan.errors import DataError

MAX_UNPACKED = 2**28  # bytes of a whole package
MAX_MEMBER = 2**24  # bytes of one file that is read
TIMEOUT_S = 900
TOP = "package/"  # under which npm puts everything


@dataclass(frozen=True)
class Package:
    """A package that has been read."""

    name: str
    version: str
    sha256: str  # of the archive
    files: dict[str, bytes]  # those that were wanted; names without the leading package/


def fetch(specs: Sequence[str], folder: Path) -> list[Path]:
    """Download packages ("name@version") as archives into `folder`, through the npm client and its settings.

    Raises:
        DataError: if npm is missing, or cannot fetch them.
    """
    advice = f"Fetch {' and '.join(specs)} elsewhere with `npm pack`, and give the .tgz files with --archive."
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"npm is not installed. {advice}")
    try:
        done = subprocess.run(
            [npm, "pack", "--ignore-scripts", *specs],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(f"npm did not end well ({error}). {advice}") from error
    found = sorted(folder.glob("*.tgz"))
    if done.returncode or len(found) < len(specs):
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
        raise DataError(f"npm could not fetch the packages ({said[0].strip()}). {advice}")
    return found


def read_package(path: Path, *, is_wanted: Callable[[str], bool]) -> Package:
    """Read an archive of npm from front to back; keep the files that are wanted, and package.json.

    Raises:
        DataError: if it is missing, damaged, no package, or larger than any such package is.
    """
    files: dict[str, bytes] = {}
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with gzip.open(path) as unpacked, tarfile.open(fileobj=_Bounded(unpacked), mode="r|") as tar:  # type: ignore[arg-type]
            for member in tar:
                name = member.name.removeprefix(TOP)
                if member.isreg() and (name == "package.json" or is_wanted(name)):
                    files.setdefault(name, _content(tar, member))
        about = json.loads(files.pop("package.json", b"{}"))
        return Package(str(about["name"]), str(about["version"]), sha256, files)
    except (
        OSError,
        EOFError,
        zlib.error,
        tarfile.TarError,
        ValueError,
        RecursionError,
        KeyError,
        TypeError,
    ) as error:
        raise DataError(f"{path}: not a readable npm package ({error!r:.120}). Fetch it again.") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None or member.size > MAX_MEMBER:
        raise ValueError(f"{member.name}: {member.size} bytes, at most {MAX_MEMBER}")
    return file.read()


class _Bounded:
    """A stream that ends with an error before a bomb fills the memory."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"unpacks to more than {MAX_UNPACKED} bytes")
        return data


class MemoryFiles:
    """Files that were read already, as a set of files."""

    def __init__(self, label: str, files: dict[str, bytes]) -> None:
        self.label = label
        self._files = files

    def names(self) -> list[str]:
        """Every file, in the order of their names."""
        return sorted(self._files)

    def repeated(self) -> list[str]:
        """None."""
        return []

    def check(self, name: str) -> None:
        """Make sure that there is such a file."""
        if name not in self._files:
            raise BadSampleError("no such file", name)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        self.check(name)
        return len(self._files[name])

    def open(self, name: str) -> IO[bytes]:
        """Open a file."""
        self.check(name)
        return io.BytesIO(self._files[name])


def read_packages(
    archives: Sequence[Path], specs: Sequence[str], *, is_wanted: Callable[[str], bool]
) -> list[Package]:
    """The packages `specs` ("name@version"), in their order, out of archives in any order.

    Raises:
        DataError: if one is missing or of another version.
    """
    packages = [read_package(path, is_wanted=is_wanted) for path in archives]
    found = {f"{package.name}@{package.version}": package for package in packages}
    missing = [spec for spec in specs if spec not in found]
    if missing:
        raise DataError(f"{' and '.join(missing)} not given; the archives are {', '.join(found) or 'none'}. "
                        "Fetch exactly these versions with `npm pack`.")  # fmt: skip
    return [found[spec] for spec in specs]


def parse_json(data: bytes, name: str) -> Any:
    """The content of a JSON file of a package.

    Raises:
        DataError: if it is none.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: is no JSON ({error}). Fetch the package again.") from error
