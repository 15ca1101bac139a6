"""Tables of URLs, as they come -> a stream of Arrow tables with `url`, `caption` and further columns. Not downloading."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from t2igan.data.listing.row import encoding_of
from t2igan.data.listing.table import CAPTION_COLUMNS, DELIMITERS, MAX_FIELD, choose
from t2igan.errors import DataError

URL_COLUMNS = ("url", "urls", "image_url", "img_url", "link", "image")
FORMATS = ("parquet", "csv", "tsv", "txt", "jsonl")
RESERVED = {"key", "status", "error_message", "width", "height", "original_width", "original_height", "exif",
            "md5", "sha256", "sha512", "captions", "caption", "url", "matte", "labels"}  # fmt: skip
"""What the .json of a sample says itself; such columns of a table are left out."""
ROWS = 50_000  # of a text table that are in memory at a time


def table_files(path: Path) -> list[Path]:
    """The files of a table: one, or those of a folder in order.

    Raises:
        DataError: if there is none of a known kind, or there are several kinds.
    """
    files = sorted(file for file in path.iterdir() if kind_of(file)) if path.is_dir() else [path]
    kinds = {kind_of(file) for file in files}
    if len(kinds) > 1:
        raise DataError(
            f"{path}: holds tables of several kinds ({', '.join(sorted(kinds))}). Give one of them."
        )
    if not path.exists() or kinds <= {""}:
        raise DataError(
            f"{path}: no table of URLs. Give a {', '.join(FORMATS)} (or .gz of it), or a folder of them."
        )
    return files


def kind_of(path: Path) -> str:
    """One of FORMATS, by the name; "" for others."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix.lstrip(".")
    return suffix if suffix in FORMATS else ""


def read_urls(path: Path, *, url_column: str | None, caption_column: str | None) -> Iterator[pa.Table]:
    """The rows of one file, a piece at a time; url and caption are strings, further columns what JSON can hold.

    Raises:
        DataError: if the file cannot be read, or lacks a column.
    """
    is_typed = kind_of(path) == "parquet"
    try:
        for table in _parquet(path) if is_typed else _text(path):
            yield _renamed(table, path.name, url_column, caption_column, is_typed=is_typed)
    except (ValueError, OSError, EOFError, csv.Error, RecursionError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a readable table ({error!r:.160}). Fetch or write it again.") from error


def _renamed(
    table: pa.Table, name: str, url_column: str | None, caption_column: str | None, *, is_typed: bool
) -> pa.Table:
    header = table.column_names
    url = choose(header, url_column, URL_COLUMNS, name=name, option="--url-column")
    columns = {"url": table[url].cast(pa.string())}
    caption = None
    if header != ["url"]:  # a plain list has no captions
        caption = choose(header, caption_column, CAPTION_COLUMNS, name=name, option="--caption-column")
        columns["caption"] = table[caption].cast(pa.string())
    for column in header:
        if column not in (url, caption) and column not in RESERVED and _is_json(table[column].type):
            columns[column] = table[column] if is_typed else _numbers(table[column])
    return pa.table(columns)


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of a text file as numbers, if all of it is."""
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        return column


def _is_json(kind: pa.DataType) -> bool:
    """Whether values of a column can stand in a .json: words, numbers, truths, and lists of them."""
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_json(kind.value_type)
    if types.is_dictionary(kind):
        return _is_json(kind.value_type)
    checks = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return any(check(kind) for check in checks)


def _parquet(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            yield pa.Table.from_batches([batch])


def _text(path: Path) -> Iterator[pa.Table]:
    """Rows of a text file; what is no UTF-8 becomes null, and is refused with its row."""
    with _opened(path) as file:
        encoding = encoding_of(file.read(4))
        file.seek(0)
        errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
        text = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
        rows = _ROWS_OF[kind_of(path)](text)
        while piece := list(islice(rows, ROWS)):
            yield _table(piece)


def _opened(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")


def _plain(text: IO[str]) -> Iterator[dict[str, Any]]:
    return ({"url": line.strip()} for line in text if line.strip())


def _json_lines(text: IO[str]) -> Iterator[dict[str, Any]]:
    for line in text:
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = {}
            yield row if isinstance(row, dict) else {}


def _cells(text: IO[str]) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(MAX_FIELD)
    first = text.readline()
    delimiter = max(DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    lines: Iterable[str] = text
    if any(cell.strip().lower().startswith(("http://", "https://")) for cell in header):
        header, lines = _headless(header), chain([first], text)  # CC3M and CC12M have no header
    names = [cell.strip() for cell in header]
    return (dict(zip(names, row, strict=False)) for row in csv.reader(lines, delimiter=delimiter) if row)


def _headless(cells: Sequence[str]) -> list[str]:
    """Names for the columns of a table without a header: a URL, and perhaps a caption.

    Raises:
        ValueError: if there are more.
    """
    if len(cells) > 2:
        raise ValueError("the first line holds a URL and is no header, and there are more than two columns")
    return ["url" if cell.strip().lower().startswith("http") else "caption" for cell in cells]


_ROWS_OF = {"txt": _plain, "jsonl": _json_lines, "csv": _cells, "tsv": _cells}


def _table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    names = dict.fromkeys(chain.from_iterable(rows)) or {"url": None}
    return pa.table({name: pa.array([_word(row.get(name)) for row in rows], pa.string()) for name in names})


def _word(value: Any) -> str | None:
    if value in (None, "") or isinstance(value, dict | list):
        return None
    try:
        return str(value).encode().decode()
    except UnicodeEncodeError:
        return None
