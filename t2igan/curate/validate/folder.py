"""A folder of shards as a whole: what is missing, unfinished or left over. Opens no tar."""

from __future__ import annotations

import json
from collections.abc import Collection
from itertools import pairwise
from typing import Any

from t2igan.curate.storage import Folder
from t2igan.curate.validate.beside import STATS, stem_beside
from t2igan.curate.validate.findings import Findings
from t2igan.curate.write.dataset import INSIDE, NAME, inside
from t2igan.errors import DataError

WORK = "_tmp"  # img2dataset's, there while it runs or after it was killed


def check_folder(
    folder: Folder, names: Collection[str], stems: Collection[str], samples: int | None, findings: Findings
) -> None:
    """Look at a folder's names and records.

    Args:
        folder: where.
        names: of everything in it.
        stems: of the shards that were checked.
        samples: how many these hold; None if some could not be counted.
        findings: where problems go.
    """
    tars = {name.removesuffix(".tar") for name in names if name.endswith(".tar") and not name.startswith(".")}
    _check_statistics(folder, names, tars, stems, findings)
    _check_leftovers(names, tars, findings)
    _check_numbers(tars | {n.removesuffix(STATS) for n in names if n.endswith(STATS)}, findings)
    if INSIDE in names or inside(folder).has(NAME):
        _check_record(folder, samples if tars == set(stems) else None, findings)


def _check_statistics(
    folder: Folder, names: Collection[str], tars: set[str], stems: Collection[str], findings: Findings
) -> None:
    with_stats = {name.removesuffix(STATS) for name in names if name.endswith(STATS)}
    for stem in sorted(set(stems) - with_stats) if with_stats & tars else []:
        findings.add("no _stats.json", f"{stem}.tar")
    for stem in sorted(with_stats - tars):
        promised = _successes(folder, f"{stem}{STATS}")
        if promised:
            findings.add("shard missing", f"{stem}.tar", f"{promised} samples")


def _successes(folder: Folder, name: str) -> Any:
    try:
        return json.loads(folder.read(name))["successes"]
    except (DataError, ValueError, KeyError, TypeError, RecursionError):
        return "unknown"


def _check_leftovers(names: Collection[str], tars: set[str], findings: Findings) -> None:
    for name in sorted(names):
        if name == WORK or (name.startswith(".") and name.endswith(".tmp")):
            findings.add("leftover of a killed run", name)
            continue
        stem = None if name.endswith(STATS) else stem_beside(name)
        if stem is not None and stem not in tars:
            findings.add("belongs to no shard", name)


def _check_numbers(stems: set[str], findings: Findings) -> None:
    """Numbers that a run of shards lacks; one without samples has statistics only."""
    numbers = sorted(int(stem) for stem in stems if stem.isdecimal() and len(stem) < 10)
    width = max((len(stem) for stem in stems), default=0)
    for before, after in pairwise(numbers):
        if after - before > 1:
            first, last = f"{before + 1:0{width}d}", f"{after - 1:0{width}d}"
            where = first if first == last else f"{first} to {last}"
            findings.add("gap in shard numbers", where, count=after - before - 1)


def _check_record(folder: Folder, samples: int | None, findings: Findings) -> None:
    """The record that the command which wrote the data set keeps with it."""
    place = f"{INSIDE}/{NAME}"
    try:
        if not inside(folder).has(NAME):
            return
        record = json.loads(inside(folder).read(NAME))
        is_complete, expected = record["is_complete"], record.get("kept", record.get("samples"))
    except (DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        findings.add("dataset.json unreadable", place, f"{type(error).__name__}: {error}")
        return
    if is_complete is not True:
        findings.add("data set incomplete", place)
    elif samples is not None and isinstance(expected, int) and expected != samples:
        findings.add("dataset.json disagrees", place, f"counts {expected} samples, the shards hold {samples}")
