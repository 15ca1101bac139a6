"""A folder of images with captions, as people keep them: same-named .txt files, or one metadata.jsonl. Not decoding.

The folder is not trusted: a file that lies outside of it, through a link or through `..`, is never opened.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import IMAGE_SUFFIXES, MAX_BYTES
from t2igan.errors import DataError

METADATA = "metadata.jsonl"
SPLIT = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Listed:
    """One image of the folder."""

    path: Path
    name: str  # relative to the folder, with forward slashes
    captions: tuple[str, ...]
    split: str = ""
    labels: tuple[int, ...] = ()


def list_folder(folder: Path) -> Iterator[Listed | tuple[str, BadSampleError]]:
    """Every image with its captions, or its name and why it is skipped; a fixed order.

    Raises:
        DataError: if the folder is missing, or a row of metadata.jsonl is no JSON object.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give the folder that holds the images.")
    rows = _rows(folder / METADATA) if (folder / METADATA).is_file() else _pairs(folder)
    for name, texts, row in rows:
        try:
            yield Listed(_inside(folder, name), name, _captions(texts), _split(row), _labels(row))
        except BadSampleError as problem:
            yield name, problem


Row = tuple[str, Any, dict[str, Any]]  # file name, caption or captions or None, the row's other keys


def _rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                name = row["file_name"]
            except (ValueError, RecursionError, KeyError, TypeError) as error:
                raise DataError(f"{path}:{number}: expected a JSON object with file_name and text, "
                                f'such as {{"file_name": "a.png", "text": "a cat"}}.') from error  # fmt: skip
            yield str(name), row.get("text", row.get("caption")), row


def _pairs(folder: Path) -> Iterator[Row]:
    """Images below `folder` in the order of their names, with the lines of the .txt beside each."""
    for root, folders, files in os.walk(folder):  # does not follow links
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            if path.suffix.lower().lstrip(".") in IMAGE_SUFFIXES:
                yield path.relative_to(folder).as_posix(), _lines(folder, path.with_suffix(".txt")), {}


def _lines(folder: Path, path: Path) -> list[str] | None:
    """The captions of a .txt, one a line; None where there is no such file, or it is unreadable."""
    try:
        inside = _inside(folder, path.relative_to(folder).as_posix())
        with inside.open("rb") as file:
            return file.read(MAX_BYTES["txt"]).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError, BadSampleError):
        return None


def _inside(folder: Path, name: str) -> Path:
    """The real path of a file that must lie in the folder and be a plain file."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise BadSampleError("outside the folder", "a link, an absolute path or `..`")
        if not path.is_file():
            raise BadSampleError("no such file", name)
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # a loop of links, a NUL in the name, a name too long
        raise BadSampleError("not a usable file name", str(error)) from error
    return path


def _captions(texts: Any) -> tuple[str, ...]:
    several = texts if isinstance(texts, list) else [texts]
    captions = tuple(folded for t in several if isinstance(t, str) and (folded := " ".join(t.split())))
    if not captions:
        raise BadSampleError("no caption", "no readable .txt of the same name, or no text in metadata.jsonl")
    return captions


def _split(row: dict[str, Any]) -> str:
    split = str(row.get("split") or "")
    if split and not SPLIT.fullmatch(split):
        raise BadSampleError("bad split name", f"{split[:60]!r}: letters, digits, - and _ only")
    return split


def _labels(row: dict[str, Any]) -> tuple[int, ...]:
    labels = row.get("labels")
    return tuple(labels) if isinstance(labels, list) and all(isinstance(n, int) for n in labels) else ()
