"""One shard as img2dataset left it -> a shard of the data set, and its account of every URL. Not downloading.

img2dataset keeps the bytes that came (`disable_all_reencoding`). They are decoded here, so that pictures are turned
upright, 16 bits keep their brightness, and what is no picture is known by its content. Samples stand in the order of the
table, not in that of arrival, so the same answers give the same bytes.
"""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from t2igan.data.convert import Conversion, convert_image
from t2igan.data.pixels import BadSampleError
from t2igan.data.tars import Entry, index_tar, read_members
from t2igan.errors import DataError
from t2igan.files import replace_durably, temporary_name, write_atomic

DIGITS = 5  # of a shard's number
_ADDRESS = re.compile(r" <\S+ object at 0x[0-9a-f]+>")  # in Pillow's messages; differs from run to run
DISALLOWED = "disallowed by X-Robots-Tag"
LOST = "lost by img2dataset"
REASONS = (
    (r"HTTP Error (\d{3})", r"http \1"),
    (r"X-Robots-Tag", DISALLOWED),
    (r"timed out", "timed out"),
    (r"certificate|SSL", "no safe connection"),
    (r"getaddrinfo|Name or service|nodename|name resolution", "no such host"),
    (r"refused|reset|closed|unreachable|IncompleteRead|Remote end", "connection failed"),
    (r"larger than", "file too large"),
)
FACTS = {"key": pa.string(), "status": pa.string(), "reason": pa.string(), "error_message": pa.string()} | dict.fromkeys(
    ("width", "height", "original_width", "original_height"), pa.int32()
) | {"sha256": pa.string()}  # fmt: skip


def reason_of(error: str) -> str:
    """What an error message of a download is counted as."""
    for pattern, reason in REASONS:
        found = re.search(pattern, error, re.IGNORECASE)
        if found:
            return found.expand(reason)
    return "download failed"


def index_digits(per_shard: int) -> int:
    """Digits of a sample's number in its key, as img2dataset makes them."""
    return math.ceil(math.log10(per_shard))


@dataclass(frozen=True)
class RawShard:
    """A shard of a part as the child left it."""

    path: Path  # without suffix
    number: int  # within the part
    per_shard: int

    def statuses(self) -> dict[int, dict[str, Any]]:
        """Number in the shard -> what became of the download."""
        rows = pq.read_table(self.path.with_suffix(".parquet")).to_pylist()
        return {self._index(row["key"]): row for row in rows}

    def entries(self) -> dict[int, Entry]:
        """Number in the shard -> where its bytes lie."""
        return {self._index(entry.key): entry for entry in index_tar(self.path.with_suffix(".tar"))}

    def _index(self, key: str) -> int:
        return int(key) - self.number * 10 ** index_digits(self.per_shard)


def finish_shard(
    raw: RawShard, shard: int, table: pa.Table, *, out: Path, conversion: Conversion
) -> dict[str, Any]:
    """Write NNNNN.tar, NNNNN.parquet and, last, NNNNN_stats.json; returns the statistics.

    Args:
        raw: what came.
        shard: number in the data set.
        table: what was asked for: url, caption, further columns.
        out: the data set.
        conversion: what becomes of the pictures.

    Raises:
        DataError: if what came cannot be read, or `out` cannot be written.
    """
    try:
        statuses, entries = raw.statuses(), raw.entries()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raw.path.with_name(f"{raw.path.name}_stats.json").unlink(
            missing_ok=True
        )  # so that it is fetched again
        raise DataError(
            f"{raw.path}: img2dataset left a broken shard ({error}). Run the command again."
        ) from error
    path = out / f"{shard:0{DIGITS}d}.tar"
    facts: list[dict[str, Any]] = []
    temporary = temporary_name(path)
    try:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for index, row in enumerate(table.to_pylist()):
                key = f"{shard:0{DIGITS}d}{index:0{index_digits(raw.per_shard)}d}"
                sample = _Sample(key, row, statuses.get(index), entries.get(index))
                facts.append(sample.write(tar, raw.path.with_suffix(".tar"), conversion))
        replace_durably(temporary, path)
        _write_parquet(path.with_suffix(".parquet"), table, facts)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}). Check the free space."
        ) from error
    stats = _stats(facts)
    write_atomic(path.with_name(f"{path.stem}_stats.json"), (json.dumps(stats, indent=1) + "\n").encode())
    return stats


@dataclass(frozen=True)
class _Sample:
    """One URL, and what came of it."""

    key: str
    row: dict[str, Any]
    status: dict[str, Any] | None
    entry: Entry | None

    def write(self, tar: tarfile.TarFile, source: Path, conversion: Conversion) -> dict[str, Any]:
        """Append it to the tar if it is usable; its line of the account."""
        fact: dict[str, Any] = dict.fromkeys(FACTS) | {"key": self.key}
        if self.status is None or (self.entry is None and self.status["status"] == "success"):
            return fact | {"status": "failed_to_download", "reason": LOST}
        if self.status["status"] != "success" or self.entry is None:
            message = str(self.status["error_message"])
            return fact | {
                "status": "failed_to_download",
                "reason": reason_of(message),
                "error_message": message,
            }
        fact["sha256"] = self.status["sha256"]
        try:
            image, known = convert_image(_bytes(source, self.entry), conversion)
        except BadSampleError as problem:
            return fact | {
                "status": "failed_to_resize",
                "reason": problem.reason,
                "error_message": _ADDRESS.sub("", problem.detail),
            }
        fact |= {"status": "success"} | {name: known.get(name) for name in FACTS if name in known}
        _add(tar, self.key, image | self._texts(known, fact))
        return fact

    def _texts(self, known: dict[str, Any], fact: dict[str, Any]) -> dict[str, bytes]:
        caption = " ".join((self.row.get("caption") or "").split())
        fields = self.row | {name: fact[name] for name in FACTS if name != "reason"} | known
        fields |= {"caption": caption} if caption else {}
        text = {"txt": caption.encode()} if caption else {}
        return text | {"json": json.dumps(fields, ensure_ascii=False).encode(errors="backslashreplace")}


def _bytes(source: Path, entry: Entry) -> bytes:
    members = read_members(source, entry)
    if "jpg" not in members:  # the name that every download gets
        raise BadSampleError(LOST, "no bytes in the tar")
    return members["jpg"]


def _add(tar: tarfile.TarFile, key: str, members: dict[str, bytes]) -> None:
    for suffix, data in members.items():
        info = tarfile.TarInfo(f"{key}.{suffix}")  # no time, no owner: equal bytes on every run
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


def _write_parquet(path: Path, table: pa.Table, facts: list[dict[str, Any]]) -> None:
    """One row a URL, also those that failed."""
    columns = {name: pa.array([fact[name] for fact in facts], kind) for name, kind in FACTS.items()}
    temporary = temporary_name(path)
    pq.write_table(pa.table(dict(zip(table.column_names, table.columns, strict=True)) | columns), temporary)
    replace_durably(temporary, path)


def _stats(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """As img2dataset counts, and by reason."""
    status = Counter(fact["status"] for fact in facts)
    return {
        "count": len(facts),
        "successes": status["success"],
        "failed_to_download": status["failed_to_download"],
        "failed_to_resize": status["failed_to_resize"],
        "reasons": dict(sorted(Counter(fact["reason"] for fact in facts if fact["reason"]).items())),
    }
