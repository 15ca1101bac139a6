"""`data bucket`: shards -> a folder of shards a resolution. Killed at any time, the same command goes on where it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from t2igan.curate.bucket.shard import Bucket, BucketTask, make_bucketer
from t2igan.curate.config import MAX_PIXELS
from t2igan.curate.engine import Failure, Workers, run_tasks
from t2igan.curate.failures import refuse
from t2igan.curate.progress import Progress
from t2igan.curate.shards import Shard, list_shards
from t2igan.curate.storage import Folder
from t2igan.curate.write.dataset import claim, provenance, record, remove_stale, settings_hash
from t2igan.data.convert import JPEG_QUALITY, LOSSLESS_UP_TO
from t2igan.errors import DataError, UsageError

MIN_SIZE = 8
SMALLER = "smaller than "  # how the reason of a picture begins that is left out and not bad
Stats = Mapping[int, Mapping[str, Any]]  # size -> statistics of one shard


def bucket_shards(
    source: str,
    out: str,
    *,
    sizes: Sequence[int],
    workers: Workers | None = None,
    max_pixels: int = MAX_PIXELS,
    is_strict: bool = False,
    overwrites: bool = False,
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Write OUT/SIZE/NNNNN.tar for every shard and size, with the same keys, in the same order.

    Args:
        source: a folder, file, glob or brace pattern of shards, local or a URL, or several joined by `::`.
        out: folder or URL; below it each size has a folder, new or of an earlier call with the same settings.
        sizes: sides of the squares in pixels.
        workers: who does the work; the output does not depend on it.
        max_pixels: larger pictures are refused by their header.
        is_strict: samples that cannot be used, and damaged shards, are an error once all is written.
        overwrites: replace buckets that were made with other settings.
        is_quiet: no progress on stderr.

    Returns:
        {"out", "shards", "samples", "buckets": size -> {"kept", "reasons": reason -> count}, "damaged": shard -> what}.

    Raises:
        UsageError: if a size cannot be right.
        DataError: if there are no shards, a folder is taken, or, after the others are done, shards failed.
    """
    wanted = _check(sizes)
    shards = list_shards(source)
    settings = {size: _settings(shards, size, max_pixels) for size in wanted}
    buckets = tuple(Bucket(size, _folder(out, size), settings_hash(settings[size])) for size in wanted)
    _refuse_own_input(shards, buckets)
    for bucket in buckets:
        claim(bucket.folder, settings[bucket.size], overwrites=overwrites)
    totals = _run([BucketTask(s, buckets, max_pixels) for s in shards], wanted, workers, is_quiet=is_quiet)
    for bucket in buckets:
        remove_stale(bucket.folder, (shard.stem for shard in shards))
        results = {"samples": totals.seen, **totals.of(bucket.size), "damaged": totals.damaged}
        record(bucket.folder, settings[bucket.size], is_complete=True, results=results)
    if is_strict:
        _refuse_bad(totals)
    found = {str(size): totals.of(size) for size in wanted}
    return {
        "out": out,
        "shards": len(shards),
        "samples": totals.seen,
        "buckets": found,
        "damaged": totals.damaged,
    }


def _check(sizes: Sequence[int]) -> list[int]:
    wanted = sorted(set(sizes))
    if not wanted or wanted[0] < MIN_SIZE:
        raise UsageError(
            f"sizes {', '.join(map(str, sizes)) or 'none'}: give sides of at least {MIN_SIZE} pixels."
        )
    return wanted


def _folder(out: str, size: int) -> Folder:
    return Folder(f"{out.rstrip('/')}/{size}")


def _refuse_own_input(shards: Sequence[Shard], buckets: Sequence[Bucket]) -> None:
    inputs = {shard.folder.place for shard in shards}
    for bucket in buckets:
        if bucket.folder.place in inputs:
            raise UsageError(
                f"{bucket.folder.url}: is the input as well. Choose another folder for the output."
            )


def _settings(shards: Sequence[Shard], size: int, max_pixels: int) -> dict[str, Any]:
    """What a bucket depends on, for the record and to tell it from another."""
    inputs = sorted({shard.folder for shard in shards}, key=lambda folder: folder.url)
    return {
        "made_by": "data bucket",
        "size": size,
        "lossless_up_to": LOSSLESS_UP_TO,
        "jpeg_quality": JPEG_QUALITY,
        "max_pixels": max_pixels,
        "input": {"folders": [folder.url for folder in inputs], "shards": len(shards)},
        "input_made_by": [found for folder in inputs if (found := provenance(folder)) is not None],
    }


class _Totals:
    """Sums over shards."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.seen = 0
        self.kept = dict.fromkeys(sizes, 0)
        self.reasons = {size: Counter[str]() for size in sizes}
        self.damaged: dict[str, str] = {}

    def add(self, where: str, stats: Stats) -> int:
        """Count one shard; its samples."""
        for size, found in stats.items():
            self.kept[size] += found["successes"]
            self.reasons[size].update(found["reasons"])
        some = next(iter(stats.values()))
        self.seen += some["count"]
        if some["input"]["damage"]:
            self.damaged[where] = some["input"]["damage"]
        return some["count"]

    def of(self, size: int) -> dict[str, Any]:
        """What a bucket holds, and why the rest is not in it."""
        return {"kept": self.kept[size], "reasons": dict(sorted(self.reasons[size].items()))}


def _run(
    tasks: Sequence[BucketTask], sizes: Sequence[int], workers: Workers | None, *, is_quiet: bool
) -> _Totals:
    """Do every shard.

    Raises:
        DataError: after the others are done, if some could not be.
    """
    totals, failures = _Totals(sizes), []
    with Progress("bucket", len(tasks), is_quiet=is_quiet) as progress:
        for task, stats in run_tasks(make_bucketer, tasks, workers or Workers()):
            if isinstance(stats, Failure):
                failures.append(stats)
            else:
                progress.add(totals.add(str(task), stats))
    refuse(failures, "could not be written", len(tasks))
    totals.damaged = dict(sorted(totals.damaged.items()))
    return totals


def _refuse_bad(totals: _Totals) -> None:
    """For --strict.

    Raises:
        DataError: if a sample cannot be used at any size, or a shard is damaged.
    """
    reasons = next(iter(totals.reasons.values()))  # bad samples are bad in every size
    bad = [f"{n} x {reason}" for reason, n in sorted(reasons.items()) if not reason.startswith(SMALLER)]
    lines = bad + [f"{where}: {what}" for where, what in totals.damaged.items()]
    if lines:
        raise DataError(
            "\n".join(["--strict: everything is written, but some samples cannot be used:", *lines])
        )
