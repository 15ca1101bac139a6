"""One output shard and its statistics. The statistics come last: where they are, the shard is done."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2igan import __version__
from t2igan.curate.score.task import ScoreTask
from t2igan.curate.storage import Folder
from t2igan.curate.table import EMBEDDING, FACTS, ScoreTable, read_table
from t2igan.curate.write.sample import Keys, output_members
from t2igan.data.samples import IMAGE_SUFFIXES, MAX_BYTES
from t2igan.data.tars import Entry, read_members, salvage_tar
from t2igan.errors import DataError

STATS = "_stats.json"
DIGITS = 6  # of scores in the .json; the table keeps them whole


@dataclass(frozen=True)
class WriteTask:
    """Which shard, why each of its samples is dropped, and where the rest goes."""

    scored: ScoreTask
    out: Folder
    codes: np.ndarray  # uint16 [rows], 0 = kept
    names: tuple[str, ...]  # code -> why a sample is dropped
    settings: str  # hash of what the data set is made with

    def __str__(self) -> str:
        return self.scored.shard.where

    @property
    def stem(self) -> str:
        """Of the files that are written."""
        return self.scored.shard.stem


def make_writer(worker: int) -> Any:
    """What a worker does with each task."""
    return write_shard


def write_shard(task: WriteTask) -> dict[str, Any]:
    """Write the kept samples of a shard, unless an earlier run with the same settings has; the shard's statistics.

    Raises:
        DataError: if the input cannot be read or is not what its table says, or the output cannot be written.
    """
    reasons = [task.names[code] for code in task.codes]
    selection = hashlib.sha256("\n".join(reasons).encode()).hexdigest()
    table = read_table(task.scored.tables.read(task.scored.name), task.scored.tables.where(task.scored.name))
    if not task.scored.is_described_by(table):
        raise DataError(f"{task}: has changed since it was scored. Score and select again.")
    done = _done(task, selection, table)
    if done is not None:
        return done
    task.out.remove(f"{task.stem}{STATS}")
    if len(table) != len(reasons):
        raise DataError(
            f"{task}: {len(table)} samples in its score table, {len(reasons)} in the selection. Select again."
        )
    left_out: Counter[str] = Counter()
    if "" in reasons:
        written = _write_tar(task, table, left_out)
    else:
        task.out.remove(f"{task.stem}.tar")  # of an earlier run; there is none for nothing
        written = {"bytes": 0, "sha256": ""}
    dropped = Counter(reason for reason in reasons if reason)
    stats = {
        "count": len(table),
        "successes": len(table) - dropped.total(),
        "reasons": dict(sorted(dropped.items())),
        "members_left_out": dict(sorted(left_out.items())),
        "input": asdict(table.source),
        "scores": _scores(table),
        "output": written,
        "settings": task.settings,
        "selection": selection,
        "t2igan": __version__,
    }
    task.out.put(f"{task.stem}{STATS}", (json.dumps(stats, indent=1) + "\n").encode())
    return stats


def _done(task: WriteTask, selection: str, table: ScoreTable) -> dict[str, Any] | None:
    """The statistics of an earlier run, if its work is what is asked for now, of the same input."""
    if not task.out.has(f"{task.stem}{STATS}"):
        return None
    try:
        stats = json.loads(task.out.read(f"{task.stem}{STATS}"))
        made_of = (task.settings, selection, asdict(table.source))
        is_same = (stats["settings"], stats["selection"], stats["input"]) == made_of
        is_same = (
            is_same and stats["scores"].items() <= _scores(table).items()
        )  # what was added later may lack
        size = int(stats["output"]["bytes"])
    except (DataError, ValueError, KeyError, TypeError, AttributeError):
        return None
    name = f"{task.stem}.tar"
    is_whole = not size or (task.out.has(name) and task.out.size(name) == size)
    return stats if is_same and is_whole else None


def _scores(table: ScoreTable) -> dict[str, Any]:
    """The columns that go into every .json, and where they come from."""
    return {name: asdict(origin) for name, origin in sorted(table.origins.items()) if _is_told(name)}


def _is_told(column: str) -> bool:
    """Whether a score goes into every .json: that an embedding lies beside the table does not."""
    return not column.startswith(EMBEDDING)


def _write_tar(task: WriteTask, table: ScoreTable, left_out: Counter[str]) -> dict[str, Any]:
    """Write the tar; its size and checksum."""
    shard = task.scored.shard
    with shard.folder.fetched(shard.name) as source, task.out.writing(f"{task.stem}.tar") as path:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for key, members in _kept(task, table, source, left_out):
                for suffix, data in members.items():
                    info = tarfile.TarInfo(f"{key}.{suffix}")  # mtime 0, no owner: equal bytes on every run
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        with path.open("rb") as file:
            return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _kept(
    task: WriteTask, table: ScoreTable, source: Path, left_out: Counter[str]
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, members) of every kept sample, in the order of the input."""
    entries = salvage_tar(source).entries
    if len(entries) != len(table):
        raise DataError(
            f"{task}: holds {len(entries)} samples, its score table {len(table)}. Score it again."
        )
    keys = Keys()
    scores = [name for name in table.columns.column_names if name not in FACTS and _is_told(name)]
    for number, row in enumerate(table.columns.to_pylist()):
        if task.codes[number]:
            continue
        left_out.update(suffix for suffix in entries[number].members if suffix not in MAX_BYTES)
        members = read_members(source, entries[number])
        image = next(members[suffix] for suffix in IMAGE_SUFFIXES if suffix in members)
        key = keys.next(row["uid"])
        yield (
            key,
            output_members(
                members,
                key=key,
                suffix=row["format"],
                image=image,
                origin=_origin(task, entries[number]),
                scores={"uid": row["uid"]} | _rounded(row, scores),
            ),
        )


def _origin(task: WriteTask, entry: Entry) -> dict[str, str]:
    return {"source_shard": task.scored.shard.name, "source_key": entry.key}


def _rounded(row: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The measured columns of one sample, those that are known."""
    known = {name: row[name] for name in names if row[name] is not None}
    return {
        name: round(value, DIGITS) if isinstance(value, float) else value for name, value in known.items()
    }
