"""`data validate`: every shard of a set, the files beside it, the folder, and keys across shards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from t2igan.curate.config import MAX_PIXELS
from t2igan.curate.engine import Failure, Workers, run_tasks
from t2igan.curate.progress import Progress
from t2igan.curate.shards import Shard, list_shards
from t2igan.curate.storage import Folder
from t2igan.curate.validate.across import KeysAcross
from t2igan.curate.validate.beside import stem_beside
from t2igan.curate.validate.findings import Findings
from t2igan.curate.validate.folder import check_folder
from t2igan.curate.validate.report import Report
from t2igan.curate.validate.shard import MakeValidator, Validated, ValidateTask


def validate_shards(
    source: str,
    *,
    decodes: bool = True,
    kept: str | None = None,
    max_pixels: int = MAX_PIXELS,
    workers: Workers | None = None,
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Look for everything that can be wrong with a set of shards; nothing in it is changed.

    Args:
        source: a folder, file, glob or brace pattern of shards, local or a URL, or several joined by `::`.
        decodes: decode every image, and not only read its header.
        kept: folder where the outcome of each shard is kept, so that a run that was killed goes on; None = nowhere.
        max_pixels: larger images are an error.
        workers: who does the work; the report does not depend on it.
        is_quiet: no progress on stderr.

    Returns:
        {"shards", "samples", "errors", "remarks", "findings": [{"level", "what", "count", "shards", "fix",
        "where": [{"shard", "count", "samples": [{"sample", "detail"}]}]}]}; `where` names the first 100 places.

    Raises:
        DataError: if there are no shards.
    """
    shards = list_shards(source)
    names = {folder: folder.names() for folder in {shard.folder for shard in shards}}
    tasks = _tasks(shards, names, Folder(kept) if kept else None)
    report, counts = Report(), dict[int, int]()
    with KeysAcross(shards) as across, Progress("validate", len(tasks), is_quiet=is_quiet) as progress:
        for task, found in run_tasks(MakeValidator(decodes, max_pixels), tasks, workers or Workers()):
            if isinstance(found, Failure):
                report.add(str(task), _failed(found))
                continue
            counts[task.number] = _add(task, found, report, across)
            progress.add(found.samples)
        for number, repeats in across.find().items():
            report.add(shards[number].where, repeats.all())
    _check_folders(shards, names, counts, report)
    return {
        "shards": len(shards),
        "samples": sum(counts.values()),
        "errors": report.count("error"),
        "remarks": report.count("remark"),
        "findings": report.kinds(),
    }


def _tasks(shards: Sequence[Shard], names: dict[Folder, set[str]], kept: Folder | None) -> list[ValidateTask]:
    """One task a shard, with the names of the files that say something about it."""
    if kept is not None:
        kept.sweep()
    beside: dict[tuple[Folder, str], set[str]] = defaultdict(set)
    for folder, found in names.items():
        for name in found:
            if not name.startswith(".") and (stem := stem_beside(name)) is not None:
                beside[folder, stem].add(name)
    return [
        ValidateTask(number, shard, frozenset(beside[shard.folder, shard.name.removesuffix(".tar")]), kept)
        for number, shard in enumerate(shards)
    ]


def _failed(failure: Failure) -> list[Any]:
    findings = Findings()
    findings.add("could not be checked", "", failure.reason)
    return findings.all()


def _add(task: ValidateTask, found: Validated, report: Report, across: KeysAcross) -> int:
    report.add(str(task), found.findings)
    across.add(task.number, found.keys)
    return found.samples


def _check_folders(
    shards: Sequence[Shard], names: dict[Folder, set[str]], counts: dict[int, int], report: Report
) -> None:
    """Each folder as a whole; those that another program still writes to may be found unfinished."""
    for folder, found in names.items():
        numbers = [number for number, shard in enumerate(shards) if shard.folder == folder]
        stems = {shards[number].name.removesuffix(".tar") for number in numbers}
        samples = sum(counts[n] for n in numbers) if all(n in counts for n in numbers) else None
        findings = Findings()
        check_folder(folder, found, stems, samples, findings)
        report.add(folder.url, findings.all())
