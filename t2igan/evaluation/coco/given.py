"""Pictures that somebody else's model drew, with the captions that they were drawn from. Not how a model draws."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from t2igan.errors import DataError
from t2igan.evaluation.source import ImageSource, Picture

MAX_BYTES = 2**28


class CaptionedSource:
    """The first pictures of a source, with captions of their own; "" = none is known."""

    def __init__(self, source: ImageSource, captions: Sequence[str]) -> None:
        """Put them together.

        Args:
            source: pictures; at least as many as there are captions.
            captions: one a picture.
        """
        assert len(captions) <= len(source)
        self._source, self._captions = source, list(captions)
        self.name, self.protocol, self.warnings = source.name, source.protocol, source.warnings
        texts = "\0".join((source.fingerprint, *self._captions))
        self.fingerprint = hashlib.sha256(texts.encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._captions)

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        """Pictures start .. stop - 1."""
        pictures = self._source.read(start, stop)
        for picture, caption in zip(pictures, self._captions[start:stop], strict=True):
            yield replace(picture, caption=caption)


def read_lines(file: Path) -> list[str]:
    """The captions of a text file, one a line.

    Raises:
        DataError: if it cannot be read, is no text, or has an empty line.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"{file}: has more than {MAX_BYTES} bytes, so it is no list of captions.")
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DataError(
            f"{file}: cannot be read ({reason}). Give a text file with a caption a line."
        ) from error
    captions = [line.rstrip("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]
    empty = [number for number, line in enumerate(captions, 1) if not line.strip()]
    if empty or not captions:
        where = f"line {empty[0]} is empty" if empty else "it is empty"
        raise DataError(f"{file}: {where}. Every picture needs its caption.")
    return captions


def read_captions(file: Path, source: ImageSource) -> list[str]:
    """One caption for each picture of a source, which are in the natural order of their names.

    Raises:
        DataError: if there are not as many as pictures.
    """
    captions = read_lines(file)
    if len(source) != len(captions):
        raise DataError(
            f"{file}: {len(captions)} captions for the {len(source)} pictures of {source.name}. Give one line a picture, "
            "in the natural order of the pictures' names (2.png before 10.png)."
        )
    return captions
