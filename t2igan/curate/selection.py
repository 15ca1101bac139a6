"""What a selection is: a reason for every row of every shard, and how it came about; as files, too. Not how it is made.

A folder of NNNNN.reasons.parquet, keep.npy and selection.json, the last written last: a selection without it is not whole.
Nothing in it depends on time or on the order in which shards were given.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from t2igan import __version__
from t2igan.curate.config import Rules
from t2igan.curate.keep_list import uid_pairs, write_keep_list
from t2igan.curate.margins import Margin
from t2igan.curate.pool import Load
from t2igan.curate.rules import KEPT, ORDER
from t2igan.curate.table import META, Origin, Source
from t2igan.curate.top_share import Cut
from t2igan.errors import DataError, T2IGanError
from t2igan.files import remove_abandoned, write_atomic

FORMAT = 1
SUFFIX = ".reasons.parquet"
ABOUT = "selection.json"
KEEP = "keep.npy"


@dataclass
class Selection:
    """Which samples are kept, and why the others are not."""

    rules: Rules
    preset: str | None
    names: list[str]  # code -> reason; code 0 = kept
    codes: dict[str, np.ndarray]  # shard, sorted by name -> uint16 [rows]
    sources: dict[str, Source] = field(default_factory=dict)  # shard -> what its scores describe
    columns: dict[str, str] = field(default_factory=dict)  # kind of score -> its column
    origins: dict[str, list[Origin]] = field(default_factory=dict)  # column -> where its values come from
    margins: list[Margin] = field(default_factory=list)
    cut: Cut | None = None  # of clip_top

    @property
    def shards(self) -> list[str]:
        """Names in order."""
        return list(self.codes)

    @property
    def seen(self) -> int:
        """All samples."""
        return sum(map(len, self.codes.values()))

    @property
    def kept(self) -> int:
        """Those that are kept."""
        return sum(int((codes == 0).sum()) for codes in self.codes.values())

    def counts(self) -> dict[str, int]:
        """Reason -> samples, in the order of a waterfall: problems, then every active rule, also those that drop none."""
        totals = np.zeros(len(self.names), np.int64)
        for codes in self.codes.values():
            totals += np.bincount(codes, minlength=len(self.names))
        named = {name: int(n) for name, n in zip(self.names, totals, strict=True) if name != KEPT}
        problems = sorted(set(named) - set(ORDER))
        return {name: named[name] for name in (*problems, *ORDER) if name in named}

    def reasons(self, shard: str) -> np.ndarray:
        """Of one shard; object [rows] of str."""
        return np.array(self.names, dtype=object)[self.codes[shard]]

    def summary(self) -> dict[str, Any]:
        """What selection.json holds."""
        return {
            "format": FORMAT,
            "t2igan": __version__,
            "preset": self.preset,
            "rules": self.rules.model_dump(mode="json"),
            "columns": self.columns,
            "origins": {name: [asdict(origin) for origin in found] for name, found in self.origins.items()},
            "shards": len(self.codes),
            "seen": self.seen,
            "kept": self.kept,
            "reasons": self.counts(),
            "clip_top": asdict(self.cut) if self.cut else None,
            "margins": [asdict(margin) for margin in self.margins],
        }


def write_selection(selection: Selection, folder: Path, load: Load) -> None:
    """Write the files of a selection; those of an earlier one in the folder are replaced.

    Args:
        selection: what to write.
        folder: new, or of an earlier selection.
        load: of the tables that were selected from; their uids are read.

    Raises:
        T2IGanError: if the folder cannot be written.
    """
    try:
        _clear(folder, selection)
        for shard in selection.shards:
            write_atomic(folder / f"{shard}{SUFFIX}", _reasons_file(selection, shard))
        write_keep_list(folder / KEEP, _kept_uids(selection, load), at_most=selection.seen)
    except OSError as error:
        raise T2IGanError(f"{folder}: cannot be written ({error.strerror or error}). Check its permissions and the free "
                          "space.") from error  # fmt: skip
    about = json.dumps(selection.summary(), indent=1, sort_keys=False, ensure_ascii=False)
    write_atomic(folder / ABOUT, (about + "\n").encode())


def _clear(folder: Path, selection: Selection) -> None:
    """Take back an earlier selection's mark of being whole, shards that this one does not have, and half-written files."""
    (folder / ABOUT).unlink(missing_ok=True)
    remove_abandoned(folder)
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name.removesuffix(SUFFIX) not in selection.codes:
            path.unlink()


def _reasons_file(selection: Selection, shard: str) -> bytes:
    used, indices = np.unique(selection.codes[shard], return_inverse=True)
    names = pa.array([selection.names[code] for code in used], pa.string())
    column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int16()), names)
    about = json.dumps({"format": FORMAT, "input": asdict(selection.sources[shard])}, sort_keys=True)
    buffer = io.BytesIO()
    table = pa.table({"reason": column}).replace_schema_metadata({META: about.encode()})
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _kept_uids(selection: Selection, load: Load) -> Iterator[np.ndarray]:
    for shard, codes in selection.codes.items():
        table = load(shard, ["uid"])
        yield uid_pairs(table.columns["uid"], table.source.name)[codes == 0]


def read_reasons(folder: Path, shard: str, *, source: Source | None = None) -> np.ndarray:
    """Why each row of a shard is dropped; object [rows] of str, "" = kept.

    Args:
        folder: of a selection.
        shard: its name.
        source: the tar that the caller has; None = not compared.

    Raises:
        DataError: if there are none, or they are of another tar.
    """
    path = folder / f"{shard}{SUFFIX}"
    try:
        table = pq.read_table(path)
        selected = Source(**json.loads((table.schema.metadata or {})[META])["input"])
        found = table["reason"].cast(pa.string()).to_pylist()
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as reasons ({error}). Run `t2igan data select` again."
        ) from error
    if source is not None and source.sha256 != selected.sha256:
        raise DataError(f"{path}: was made of another {source.name}. Score the shards and select again.")
    return np.array(found, dtype=object)


def read_selection(folder: Path, sources: Mapping[str, Source]) -> Selection:
    """A selection from its files.

    Args:
        folder: where it lies.
        sources: the shards that are wanted, and what their scores describe now.

    Raises:
        DataError: if it is not whole, of a newer format, or of other tars.
    """
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        version = int(about["format"])
        rules, preset = Rules.model_validate(about["rules"]), about["preset"]
        origins = {name: [Origin(**one) for one in found] for name, found in about["origins"].items()}
        margins = [
            Margin(**(one | {k: tuple(one[k]) for k in ("moved", "kept")})) for one in about["margins"]
        ]
        cut = Cut(**about["clip_top"]) if about["clip_top"] else None
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"{folder / ABOUT}: cannot be read as a selection ({error}). Run `t2igan data select` again."
        ) from error
    if version > FORMAT:
        raise DataError(f"{folder}: a selection of format {version}, newer than this t2igan. Update t2igan.")
    names = [KEPT, *about["reasons"]]
    number = {name: code for code, name in enumerate(names)}
    codes = {}
    for shard, source in sorted(sources.items()):
        found = read_reasons(folder, shard, source=source)
        codes[shard] = np.array([number[reason] for reason in found], np.uint16)
    return Selection(rules, preset, names, codes, dict(sources), about["columns"], origins, margins, cut)
