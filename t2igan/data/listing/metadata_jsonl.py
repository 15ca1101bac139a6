"""Captions in one metadata.jsonl: a JSON object a line. Not tables, not one large JSON."""

from __future__ import annotations

import io
import json

from t2igan.data.fileset import FileSet
from t2igan.data.listing.row import Row, Rows, lenient_text, read_caption_file
from t2igan.data.pixels import BadSampleError

EXAMPLE = '{"file_name": "a.png", "text": "a cat"}'


def read_metadata_jsonl(files: FileSet, name: str) -> Rows:
    """The rows of a file; those that are no JSON object with a file_name are named with their line.

    Raises:
        DataError: if the file cannot be read.
    """
    lines = io.StringIO(lenient_text(read_caption_file(files, name)))  # splits at line feeds only
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _row(line, f"{name}:{number}")


def _row(line: str, where: str) -> Row | tuple[str, BadSampleError]:
    try:
        row = json.loads(line)
        return Row(str(row["file_name"]), row.get("text", row.get("caption")), where, row)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        problem = BadSampleError("unreadable row", f"expected a JSON object such as {EXAMPLE}: {error!r:.80}")
        return where, problem
