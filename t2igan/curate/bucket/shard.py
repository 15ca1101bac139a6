"""One input shard -> one output shard a size. The statistics come last: where they are, that size is done."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from t2igan import __version__
from t2igan.curate.bucket.sample import Prepared, output_keys, output_members, prepare
from t2igan.curate.freshness import is_newer
from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.curate.table import Source
from t2igan.data.pixels import BadSampleError, too_small
from t2igan.data.samples import MAX_BYTES
from t2igan.data.tars import Salvage, salvage_tar

STATS = "_stats.json"


@dataclass(frozen=True)
class Bucket:
    """One size, and where it goes."""

    size: int
    folder: Folder
    settings: str  # hash of what the bucket is made with


@dataclass(frozen=True)
class BucketTask:
    """Which shard, and which sizes."""

    shard: Shard
    buckets: tuple[Bucket, ...]
    max_pixels: int

    def __str__(self) -> str:
        return self.shard.where


def make_bucketer(worker: int) -> Any:
    """What a worker does with each task."""
    return write_buckets


def write_buckets(task: BucketTask) -> dict[int, dict[str, Any]]:
    """Write a shard in every size that an earlier run with the same settings has not; size -> statistics.

    Raises:
        DataError: if the input cannot be read, or the output cannot be written.
    """
    bytes_now = task.shard.folder.size(task.shard.name)
    stats = {bucket.size: _done(task.shard, bucket, bytes_now) for bucket in task.buckets}
    missing = [bucket for bucket in task.buckets if stats[bucket.size] is None]
    if missing:
        with task.shard.folder.fetched(task.shard.name) as path:
            stats |= _write(task, path, missing)
    return {size: found for size, found in stats.items() if found is not None}


def _done(shard: Shard, bucket: Bucket, bytes_now: int) -> dict[str, Any] | None:
    """The statistics of an earlier run, if its work is what is asked for now."""
    folder, name = bucket.folder, f"{shard.stem}.tar"
    if not folder.has(f"{shard.stem}{STATS}"):
        return None
    try:
        stats = json.loads(folder.read(f"{shard.stem}{STATS}"))
        made_of = (stats["settings"], stats["input"]["name"], stats["input"]["bytes"])
        size, sha256 = int(stats["output"]["bytes"]), stats["input"]["sha256"]
    except (ValueError, KeyError, TypeError):
        return None
    is_whole = not size or (folder.has(name) and folder.size(name) == size)
    is_same = made_of == (bucket.settings, shard.name, bytes_now) and is_whole
    if is_same and is_newer(shard, folder, f"{shard.stem}{STATS}"):
        with shard.folder.fetched(shard.name) as path:
            is_same = sha256 == _sha256(path)
    return stats if is_same else None


def _write(task: BucketTask, path: Path, buckets: list[Bucket]) -> dict[int, dict[str, Any]]:
    salvage = salvage_tar(path)
    source = Source(task.shard.name, path.stat().st_size, _sha256(path), salvage.damage)
    with ExitStack() as stack:
        outputs = [stack.enter_context(_writing(bucket, task.shard.stem)) for bucket in buckets]
        _fill(task, path, salvage, outputs)
    left_out = Counter(s for entry in salvage.entries for s in entry.members if s not in MAX_BYTES)
    return {
        output.bucket.size: output.finish(source, seen=len(salvage.entries), left_out=left_out)
        for output in outputs
    }


def _fill(task: BucketTask, path: Path, salvage: Salvage, outputs: list[Output]) -> None:
    """Decode every sample once, and give it to every size."""
    sizes = [output.bucket.size for output in outputs]
    keys = output_keys(entry.key for entry in salvage.entries)
    for number, entry in enumerate(salvage.entries):
        try:
            sample = prepare(path, salvage, number, sizes=sizes, max_pixels=task.max_pixels)
        except BadSampleError as problem:
            for output in outputs:
                output.reasons[problem.reason] += 1
            continue
        origin = {"key": keys[number], "source_shard": task.shard.name, "source_key": entry.key}
        for output in outputs:
            output.add(sample, origin)


@dataclass
class Output:
    """One output tar while it is written."""

    bucket: Bucket
    stem: str
    tar: tarfile.TarFile
    reasons: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    written: dict[str, Any] = field(default_factory=dict)  # size and checksum, once it is closed

    def add(self, sample: Prepared, origin: dict[str, str]) -> None:
        """Append a sample, or count why not."""
        size = self.bucket.size
        try:
            if size not in sample.cut.squares:
                raise BadSampleError(too_small(size))
            members = output_members(sample, sample.cut.squares[size], size, origin)
        except BadSampleError as problem:
            self.reasons[problem.reason] += 1
            return
        for suffix, data in members.items():
            info = tarfile.TarInfo(f"{origin['key']}.{suffix}")  # mtime 0, no owner: equal bytes on every run
            info.size = len(data)
            self.tar.addfile(info, io.BytesIO(data))
        self.kept += 1

    def finish(self, source: Source, *, seen: int, left_out: Counter[str]) -> dict[str, Any]:
        """Write the statistics; without a sample there is no tar."""
        if not self.kept:
            self.bucket.folder.remove(f"{self.stem}.tar")
            self.written = {"bytes": 0, "sha256": ""}
        stats = {
            "count": seen,
            "successes": self.kept,
            "reasons": dict(sorted(self.reasons.items())),
            "members_left_out": dict(sorted(left_out.items())),
            "input": asdict(source),
            "output": self.written,
            "settings": self.bucket.settings,
            "t2igan": __version__,
        }
        self.bucket.folder.put(f"{self.stem}{STATS}", (json.dumps(stats, indent=1) + "\n").encode())
        return stats


@contextmanager
def _writing(bucket: Bucket, stem: str) -> Iterator[Output]:
    """A tar that appears under its name when the block ends well."""
    bucket.folder.remove(f"{stem}{STATS}")
    with bucket.folder.writing(f"{stem}.tar") as path:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            output = Output(bucket, stem, tar)
            yield output
        output.written = {"bytes": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
