"""The list of what is to be downloaded, in parts of whole shards, on the disk. It outlives kills; nothing is fetched here.

`.t2igan/download/parts.json` is written last: where it is, the parts are whole.
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow makes the functions of pyarrow.compute when it is imported.
from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2igan.data.download.finish import DISALLOWED, FACTS
from t2igan.data.download.options import DownloadOptions
from t2igan.data.download.table import read_urls, table_files
from t2igan.data.samples import MAX_BYTES
from t2igan.errors import DataError
from t2igan.files import write_atomic

FOLDER = Path(".t2igan") / "download"
MANIFEST = "parts.json"
WEB = r"(?i)^https?://[^/\s]"


@dataclass(frozen=True)
class Part:
    """Some shards that one child process downloads."""

    name: str
    first_shard: int
    rows: int
    per_shard: int

    @property
    def shards(self) -> range:
        """Numbers of its shards in the data set."""
        return range(self.first_shard, self.first_shard - (-self.rows // self.per_shard))

    def rows_of(self, shard: int) -> int:
        """How many URLs a shard has."""
        return min(self.per_shard, self.rows - (shard - self.first_shard) * self.per_shard)


@dataclass
class Plan:
    """All parts: those of the table, then those of later rounds over what had failed."""

    folder: Path
    per_shard: int
    parts: list[Part] = field(default_factory=list)
    rows: int = 0  # of the table, refused ones included
    refused: Counter[str] = field(default_factory=Counter)  # rows that are not worth a try, by reason
    retried: Counter[str] = field(
        default_factory=Counter
    )  # failures that a later round tries again, by reason
    last_round: int = 0  # the first shard of the last round

    @property
    def shards(self) -> int:
        """Shards of all parts."""
        return self.parts[-1].shards.stop if self.parts else 0

    def save(self) -> None:
        """Write it beside the parts."""
        content = {
            "per_shard": self.per_shard,
            "parts": [asdict(part) for part in self.parts],
            "rows": self.rows,
            "refused": dict(self.refused),
            "retried": dict(self.retried),
            "last_round": self.last_round,
        }
        write_atomic(self.folder / MANIFEST, (json.dumps(content, indent=1) + "\n").encode())

    def add(self, tables: Iterator[pa.Table], *, shards_per_part: int) -> None:
        """Write tables of URLs as further parts."""
        size = self.per_shard * shards_per_part
        for table in _rechunk(tables, size):
            part = Part(f"{len(self.parts):05d}", self.shards, table.num_rows, self.per_shard)
            pq.write_table(table, self.folder / f"{part.name}.parquet", row_group_size=self.per_shard)
            self.parts.append(part)


def load_plan(out: Path) -> Plan | None:
    """The plan of an earlier call, or None."""
    try:
        content = json.loads((out / FOLDER / MANIFEST).read_bytes())
        parts = [Part(**part) for part in content.pop("parts")]
        counters = {key: Counter(content.pop(key)) for key in ("refused", "retried")}
        return Plan(out / FOLDER, parts=parts, **counters, **content)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_plan(urls: Path, out: Path, options: DownloadOptions) -> Plan:
    """Read a table of URLs and write the parts.

    Raises:
        DataError: if the table cannot be read, or none of its rows can be tried.
    """
    folder = out / FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # of a call that ended while writing it
    folder.mkdir(parents=True)
    plan = Plan(folder, options.per_shard)

    def usable() -> Iterator[pa.Table]:
        for file in table_files(urls):
            tables = read_urls(file, url_column=options.url_column, caption_column=options.caption_column)
            yield from (_usable(table, plan) for table in tables)

    plan.add(usable(), shards_per_part=options.shards_per_part)
    if not plan.parts:
        reasons = ", ".join(f"{n} x {reason}" for reason, n in plan.refused.most_common()) or "it has no rows"
        raise DataError(f"{urls}: nothing to download: {reasons}.")
    plan.save()
    return plan


def _usable(table: pa.Table, plan: Plan) -> pa.Table:
    """The rows that are worth a try; the others are counted."""
    plan.rows += table.num_rows
    url = pc.utf8_trim_whitespace(table["url"])
    table = table.set_column(table.column_names.index("url"), "url", url)
    table = _keep(table, plan, "not an http URL", lambda t: pc.match_substring_regex(t["url"], WEB))
    if "caption" in table.column_names:
        words = lambda t: pc.match_substring_regex(t["caption"], r"[^\s\x00]")  # noqa: E731 - a condition like the others
        table = _keep(table, plan, "no caption", words)
        limit = MAX_BYTES["txt"]
        table = _keep(
            table, plan, "caption too large", lambda t: pc.less_equal(pc.binary_length(t["caption"]), limit)
        )
    return table


def _keep(table: pa.Table, plan: Plan, reason: str, condition: Callable[[pa.Table], Any]) -> pa.Table:
    kept = table.filter(pc.fill_null(condition(table), False))
    plan.refused += Counter({reason: table.num_rows - kept.num_rows})
    return kept


def _rechunk(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Tables of `size` rows, but the last, all with the columns of the first."""
    held: list[pa.Table] = []
    schema: pa.Schema | None = None
    for table in tables:
        schema = schema or table.schema
        held.append(_aligned(table, schema))
        while sum(piece.num_rows for piece in held) >= size:
            whole = pa.concat_tables(held)
            yield whole.slice(0, size).combine_chunks()
            held = [whole.slice(size)]
    if any(piece.num_rows for piece in held):
        yield pa.concat_tables(held).combine_chunks()


def _aligned(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with these columns; what it does not have, or in another form, is null."""
    columns = []
    for wanted in schema:
        try:
            columns.append(table[wanted.name].cast(wanted.type))
        except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
            columns.append(pa.nulls(table.num_rows, wanted.type))
    return pa.table(columns, schema=schema)


def read_rows(plan: Plan, part: Part, shard: int) -> pa.Table:
    """The rows of one shard: url, caption and further columns."""
    with pq.ParquetFile(plan.folder / f"{part.name}.parquet") as file:
        return file.read_row_group(shard - part.first_shard)


def failed_tables(out: Path, shards: Sequence[int], retried: Counter[str]) -> Iterator[pa.Table]:
    """The rows of these shards that could not be downloaded and may be tried again, as the tables they came from."""
    for shard in shards:
        table = pq.read_table(out / f"{shard:05d}.parquet")
        is_failed = pc.and_(
            pc.equal(table["status"], "failed_to_download"), pc.not_equal(table["reason"], DISALLOWED)
        )
        failed = table.filter(is_failed)
        retried.update(failed["reason"].to_pylist())
        yield failed.drop_columns([name for name in failed.column_names if name in FACTS])
