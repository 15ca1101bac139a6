"""The score table of one shard: a parquet with one row a sample, in the order of the tar. Not what is measured."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from t2igan import __version__
from t2igan.errors import DataError

FORMAT = 1
SUFFIX = ".scores.parquet"
META = b"t2igan"
FACTS = {  # columns that every table has
    "key": pa.string(),
    "uid": pa.string(),
    "problem": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "bytes": pa.int64(),
    "format": pa.string(),
    "words": pa.int32(),
    "chars": pa.int32(),
    "letters": pa.int32(),
    "repetition": pa.float32(),
    "captions": pa.int32(),
    "caption_hash": pa.uint64(),
    "image_hash": pa.uint64(),
    "decoded": pa.bool_(),
}
MEASURES = {"phash": pa.uint64(), "language": pa.string()}
SCORES = ("clip:", "aesthetic:", "watermark", "nsfw")
EMBEDDING = "embedding:"  # whether the embedding of a sample lies beside the table; true or null


class NewerTableError(DataError):
    """A table that only a newer t2igan can read; it may hold GPU-days of work."""


@dataclass(frozen=True)
class Origin:
    """Where the values of a measured column come from."""

    kind: str  # clip, aesthetic, watermark, nsfw, embedding, phash or language
    model: str = ""  # network or head, e.g. ViT-L-14/openai
    weights: str = ""  # fingerprint, where a model of ours ran
    source: str = "computed"  # or "column similarity" where the data carried it


@dataclass(frozen=True)
class Source:
    """The shard that a table describes."""

    name: str  # file name of the tar
    bytes: int
    sha256: str
    damage: str = ""  # what is broken about the tar as a whole


@dataclass
class ScoreTable:
    """Columns of one shard and what they are."""

    source: Source
    columns: pa.Table
    origins: dict[str, Origin] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)  # settings that the facts depend on, and of what place

    def __len__(self) -> int:
        return self.columns.num_rows


def type_of(column: str) -> pa.DataType:
    """The type of a column by its name.

    Raises:
        KeyError: if there is no such column.
    """
    if column.startswith(SCORES):
        return pa.float32()
    if column.startswith(EMBEDDING):
        return pa.bool_()
    return (FACTS | MEASURES)[column]


def make_table(
    rows: Mapping[str, Sequence[Any]], source: Source, origins: Mapping[str, Origin]
) -> ScoreTable:
    """A table from columns of Python values or arrays; None = null."""
    arrays = {name: pa.array(values, type_of(name)) for name, values in rows.items()}
    return ScoreTable(source, pa.table(arrays), dict(origins))


def to_bytes(table: ScoreTable) -> bytes:
    """The parquet file; equal tables give equal bytes."""
    about = {
        "format": FORMAT,
        "t2igan": __version__,
        "input": asdict(table.source),
        "columns": {name: asdict(origin) for name, origin in sorted(table.origins.items())},
        "made": table.made,
    }
    labelled = table.columns.replace_schema_metadata({META: json.dumps(about, sort_keys=True).encode()})
    buffer = io.BytesIO()
    pq.write_table(labelled, buffer, compression="zstd")
    return buffer.getvalue()


def read_table(data: bytes | Path, name: str, columns: Sequence[str] | None = None) -> ScoreTable:
    """Read a table, or some of its columns; those that it lacks are left out.

    Args:
        data: the file, or where it lies.
        name: its name, for messages.
        columns: None = all.

    Raises:
        DataError: if it is no score table; NewerTableError if it is of a newer format.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(data) if isinstance(data, bytes) else data)
        about = json.loads((file.schema_arrow.metadata or {})[META])
        if int(about["format"]) > FORMAT:
            raise NewerTableError(
                f"{name}: a score table of format {about['format']}, newer than this t2igan. Update t2igan."
            )
        names = file.schema_arrow.names
        wanted = names if columns is None else [c for c in columns if c in names]
        source, made = Source(**about["input"]), dict(about.get("made", {}))
        origins = {column: Origin(**origin) for column, origin in about["columns"].items()}
        found = file.read(columns=wanted).replace_schema_metadata(None)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{name}: no score table ({error}). Remove it, and run `t2igan data score` again."
        ) from error
    return ScoreTable(source, found, origins, made)
