"""What every format of captions comes to: rows of file name, texts and other fields. Not which pictures exist."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from t2igan.data.fileset import FileSet, read_file
from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import MAX_BYTES
from t2igan.errors import DataError

MAX_CAPTION_FILE = 2**31  # bytes; COCO's are 67 MB

SPLIT = re.compile(r"[A-Za-z0-9_-]{1,40}")
_BOMS = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Row:
    """One row of a caption file: a picture, and what is said of it."""

    file: str  # as the row names it
    texts: Any  # a caption, a list of captions, or None; of any type, as nobody has checked it
    where: str  # such as "metadata.jsonl:3", for messages
    fields: Mapping[str, Any] = field(default_factory=dict)  # may hold split and labels


Rows = Iterator[Row | tuple[str, BadSampleError]]  # a row, or where an unreadable one stands and why


def encoding_of(head: bytes) -> str:
    """The encoding that a byte order mark names; UTF-8 without one."""
    return next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")


def read_caption_file(files: FileSet, name: str) -> bytes:
    """The bytes of a file that holds the captions of all pictures.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return read_file(files, name, limit=MAX_CAPTION_FILE)
    except BadSampleError as problem:
        raise DataError(
            f"{name}: {problem.reason} ({problem.detail}). Name another file with --captions."
        ) from problem


def lenient_text(data: bytes) -> str:
    """Text in which what is not valid is kept as lone surrogates, so that only the captions that hold some are lost."""
    encoding = encoding_of(data)
    return data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")


def decode_text(data: bytes) -> str:
    """Text of a small file: UTF-8, or what its byte order mark says.

    Raises:
        BadSampleError: if it is anything else, or holds NULs as UTF-16 without a mark does.
    """
    try:
        text = data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        raise BadSampleError("caption is not UTF-8", str(error)) from error
    if "\0" in text:
        raise BadSampleError("caption is not UTF-8", "it holds NUL characters")
    return text


def fold(texts: Any) -> tuple[list[str], list[BadSampleError]]:
    """The usable captions with white space folded, each once, and why others are not usable."""
    several: Iterable[Any] = texts if isinstance(texts, list | tuple) else [texts]
    captions: dict[str, None] = {}
    problems: list[BadSampleError] = []
    for text in several:
        try:
            caption = _fold_one(text)
        except BadSampleError as problem:
            problems.append(problem)
            continue
        if caption:
            captions[caption] = None
    return list(captions), problems


def _fold_one(text: Any) -> str:
    if not isinstance(text, str):
        return ""
    if len(text) > MAX_BYTES["txt"]:
        raise BadSampleError("caption too large", f"{len(text)} characters, at most {MAX_BYTES['txt']}")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # bytes that were no UTF-8 came in as lone surrogates
        raise BadSampleError("caption is not UTF-8", str(error)) from error
    if "\0" in text:
        raise BadSampleError("caption is not UTF-8", "it holds NUL characters")
    return " ".join(text.split())


def split_of(fields: Mapping[str, Any]) -> str:
    """The split that a row names, or an empty string.

    Raises:
        BadSampleError: if it could not be the name of a folder.
    """
    split = str(fields.get("split") or "")
    if split and not SPLIT.fullmatch(split):
        raise BadSampleError("bad split name", f"{split[:60]!r}: letters, digits, - and _ only")
    return split


def labels_of(fields: Mapping[str, Any]) -> tuple[int, ...]:
    """The ground-truth labels of a row, if it has any."""
    labels = fields.get("labels")
    return tuple(labels) if isinstance(labels, list) and all(isinstance(n, int) for n in labels) else ()
