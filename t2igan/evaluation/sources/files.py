"""A folder or zip of pictures, in the natural order of their names; captions where it has them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from t2igan.data.fileset import FileSet, is_picture, read_file
from t2igan.data.listing.pictures import Listed, list_pictures
from t2igan.data.pixels import BadSampleError
from t2igan.data.sources import open_files
from t2igan.errors import DataError
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.source import Picture
from t2igan.evaluation.sources.decoding import MAX_BYTES, Looks, decode, in_threads, look_at

NUMBERS = re.compile(r"(\d+)")


def holds_pictures(folder: Path) -> bool:
    """Whether a picture lies anywhere below a folder."""
    return any(is_picture(path.name) for path in folder.rglob("*"))


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sorts 2.png before 10.png; digits before letters, as other tools do."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in NUMBERS.split(name) if part]


class FilesSource:
    """Every JPEG, PNG and WebP of a folder or zip; a picture that cannot be read is an error, as a count must be true."""

    def __init__(self, path: Path, preparation: Preparation) -> None:
        """List the pictures, and read them once for the fingerprint.

        Raises:
            DataError: if there is none.
        """
        self._path, self._prepare = path, preparation
        self.name, self.protocol = str(path), preparation.text
        with open_files(path) as files:
            self._captions = _captions(files)
            self._names = sorted(filter(is_picture, files.names()), key=natural_key)
            if not self._names:
                raise DataError(
                    f"{path}: no JPEG, PNG or WebP in it. Give a folder or zip of pictures, or shards."
                )
            self.fingerprint, looks = self._read_once(files)
        self.warnings = looks.warnings()

    def __len__(self) -> int:
        return len(self._names)

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        """Pictures start .. stop - 1.

        Raises:
            DataError: naming one that cannot be read.
        """
        names = self._names[start:stop]
        with open_files(self._path) as files:
            found = ((name, self._bytes(files, name)) for name in names)
            yield from in_threads(self._picture, found)

    def _picture(self, found: tuple[str, bytes]) -> Picture:
        name, data = found
        return Picture(decode(data, f"{self.name}/{name}", self._prepare), self._captions.get(name, ""))

    def _bytes(self, files: FileSet, name: str) -> bytes:
        try:
            return read_file(files, name, limit=MAX_BYTES)
        except BadSampleError as problem:
            raise DataError(
                f"{self.name}/{name}: {problem.reason} ({problem.detail}). Remove or mend it."
            ) from problem

    def _read_once(self, files: FileSet) -> tuple[str, Looks]:
        digest, looks = hashlib.sha256(), Looks()
        found = in_threads(look_at, (self._bytes(files, name) for name in self._names))
        for name, look in zip(self._names, found, strict=True):
            looks.add(look)
            digest.update(look.digest + self._captions.get(name, "").encode() + b"\0")
        return digest.hexdigest()[:16], looks


def _captions(files: FileSet) -> dict[str, str]:
    """Name -> first caption; nothing where a set has none at all."""
    try:
        return {found.name: found.captions[0] for found in list_pictures(files) if isinstance(found, Listed)}
    except DataError:
        return {}
