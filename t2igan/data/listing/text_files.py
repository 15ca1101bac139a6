"""Captions in a .txt beside each picture, one caption a line. Not other formats."""

from __future__ import annotations

from pathlib import PurePosixPath

from t2igan.data.fileset import FileSet, is_picture, read_file
from t2igan.data.listing.row import Row, Rows, decode_text
from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import MAX_BYTES


def read_text_files(files: FileSet) -> Rows:
    """A row for every picture; its texts are None where no .txt of its name exists."""
    names = files.names()
    present = set(names)
    for name in filter(is_picture, names):
        text = str(PurePosixPath(name).with_suffix(".txt"))
        try:
            lines = _lines(files, text) if text in present else None
        except BadSampleError as problem:
            yield name, problem
            continue
        yield Row(name, lines, where=text)


def _lines(files: FileSet, name: str) -> list[str]:
    return decode_text(read_file(files, name, limit=MAX_BYTES["txt"])).splitlines()
