"""Captions in a table: csv, tsv or parquet, one caption a row, or several. Not tables of URLs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from t2igan.data.fileset import FileSet
from t2igan.data.listing.row import Row, Rows, lenient_text, read_caption_file
from t2igan.data.pixels import BadSampleError
from t2igan.errors import DataError

IMAGE_COLUMNS = ("file_name", "filename", "image", "image_path", "path", "name", "image_name", "file", "img")
CAPTION_COLUMNS = ("caption", "captions", "text", "texts", "description", "prompt", "title", "comment")
DELIMITERS = ",\t;|"
MAX_FIELD = 2**24  # characters of one cell; more is a quote that is never closed
Cells = dict[str, Any]


@dataclass(frozen=True)
class Columns:
    """Which columns hold the file name and the caption; None takes the first that is known."""

    image: str | None = None
    caption: str | None = None


ANY_COLUMNS = Columns()


def read_table(files: FileSet, name: str, columns: Columns) -> Rows:
    """The rows of a table; where the rest of it cannot be read, that is the last one.

    Raises:
        DataError: if the header cannot be read, or has no column of file names or captions.
    """
    is_parquet = PurePosixPath(name).suffix.lower() == ".parquet"
    data = read_caption_file(files, name)
    cells = _parquet(data, name, columns) if is_parquet else _text(data, name, columns)
    number = 0
    try:
        for number, (image, caption, rest) in enumerate(cells, start=1):
            if image is None or image == "":
                yield f"{name}: row {number}", BadSampleError("unreadable row", "no file name")
            else:
                yield Row(str(image), _texts(caption), f"{name}: row {number}", rest)
    except (csv.Error, ValueError, OSError, MemoryError) as error:  # pyarrow's own errors are kinds of these
        yield f"{name}: after row {number}", BadSampleError("unreadable rest of the table", _line(error))


def _texts(caption: Any) -> Any:
    """A cell of captions; a JSON list counts as several."""
    if isinstance(caption, str) and caption.startswith("[") and caption.endswith("]"):
        try:
            several = json.loads(caption)
        except (ValueError, RecursionError):
            return caption
        return several if all(isinstance(text, str) for text in several) else caption
    return caption


def choose(header: Sequence[str], wanted: str | None, known: Sequence[str], *, name: str, option: str) -> str:
    """The column to read.

    Raises:
        DataError: naming the columns that there are.
    """
    folded = {column.strip().casefold(): column for column in reversed(header)}
    for candidate in [wanted] if wanted else known:
        if candidate.casefold() in folded:
            return folded[candidate.casefold()]
    sought = wanted or ", ".join(known)
    raise DataError(
        f"{name}: no column {sought}; there are {', '.join(header) or 'none'}. Name one with {option}."
    )


def _pick(header: Sequence[str], name: str, columns: Columns) -> tuple[str, str]:
    image = choose(header, columns.image, IMAGE_COLUMNS, name=name, option="--image-column")
    return image, choose(header, columns.caption, CAPTION_COLUMNS, name=name, option="--caption-column")


Triple = tuple[Any, Any, Cells]  # file name, caption, the row's other cells of interest


def _text(data: bytes, name: str, columns: Columns) -> Iterator[Triple]:
    csv.field_size_limit(MAX_FIELD)
    text = io.StringIO(lenient_text(data), newline="")
    first = text.readline()
    reader = csv.reader(text, delimiter=_delimiter(first, name, columns))
    header = [cell.strip() for cell in next(csv.reader([first], delimiter=reader.dialect.delimiter), [])]
    image, caption = _pick(header, name, columns)
    for row in reader:
        if row:
            cells = dict(zip(header, row, strict=False))
            yield cells.get(image), cells.get(caption), {"split": cells.get("split")}


def _delimiter(first: str, name: str, columns: Columns) -> str:
    """What separates the header's cells so that both columns are found; a comma where nothing does."""
    for delimiter in DELIMITERS:
        try:
            _pick(next(csv.reader([first], delimiter=delimiter), []), name, columns)
        except DataError:
            continue
        return delimiter
    return "\t" if "\t" in first else ","


def _parquet(data: bytes, name: str, columns: Columns) -> Iterator[Triple]:
    import pyarrow.parquet as pq  # here, as it takes 0.3 s and most captions are no parquet

    try:
        table = pq.ParquetFile(io.BytesIO(data))
        header = table.schema_arrow.names
    except (ValueError, OSError) as error:
        raise DataError(f"{name}: not a readable parquet ({_line(error)}).") from error
    image, caption = _pick(header, name, columns)
    others = [column for column in ("split", "labels") if column in header]
    for batch in table.iter_batches(columns=[image, caption, *others]):
        yield from _triples(batch.to_pylist(), image, caption, others)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _triples(rows: Iterable[Cells], image: str, caption: str, others: Sequence[str]) -> Iterator[Triple]:
    for row in rows:
        yield row[image], row[caption], {column: row[column] for column in others}
