"""`data score`: a table of measures beside each shard. Drops nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from t2igan.curate.config import Rules, ScoreConfig
from t2igan.curate.engine import Failure, Workers, run_tasks
from t2igan.curate.failures import refuse
from t2igan.curate.progress import Progress
from t2igan.curate.score.shard import MakeScorer
from t2igan.curate.score.task import ScoreTask, score_task
from t2igan.curate.shards import Shard, list_shards
from t2igan.curate.storage import Folder
from t2igan.errors import UsageError


def score_shards(
    source: str,
    *,
    config: ScoreConfig,
    scores: str | None = None,
    workers: Workers | None = None,
    part: tuple[int, int] = (0, 1),
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Write NNNNN.scores.parquet for every shard; what earlier runs measured stays and is not measured again.

    Args:
        source: a folder, file, glob or brace pattern of shards, local or a URL, or several joined by `::`.
        config: what is measured.
        scores: folder of the tables; None = beside each shard.
        workers: who does the work.
        part: (i, n): only every n-th shard, from number i, for clusters without an engine.
        is_quiet: no progress on stderr.

    Returns:
        {"shards", "samples", "problems", "measured", "damaged": shard -> what}.

    Raises:
        DataError: if there are no shards; after the others were done, if some could not be scored.
        WeightsError: if a network's weights are not on this machine.
    """
    if not 0 <= part[0] < part[1]:
        raise UsageError(f"part {part[0]}/{part[1]}: give i/n with i from 0 to n - 1.")
    shards = list_shards(source)[part[0] :: part[1]]
    tasks = score_tasks(shards, scores)
    summary, failures = run_scoring(tasks, config, None, workers or Workers(), is_quiet=is_quiet)
    refuse(failures, "could not be scored", len(shards))
    return summary


def score_tasks(shards: Sequence[Shard], scores: str | None) -> list[ScoreTask]:
    """One task a shard; leftovers of killed runs are swept out of the tables' folders."""
    place = Folder(scores) if scores else None
    tasks = [score_task(shard, place) for shard in shards]
    for folder in {task.tables for task in tasks}:
        folder.sweep()
    return tasks


def run_scoring(
    tasks: Sequence[ScoreTask], config: ScoreConfig, rules: Rules | None, workers: Workers, *, is_quiet: bool
) -> tuple[dict[str, Any], list[Failure]]:
    """Score the shards; the totals, and what failed."""
    totals: Counter[str] = Counter(samples=0, problems=0, measured=0)
    damaged: dict[str, str] = {}
    failures: list[Failure] = []
    with Progress("score", len(tasks), is_quiet=is_quiet) as progress:
        for task, found in run_tasks(MakeScorer(config, rules), tasks, workers):
            if isinstance(found, Failure):
                failures.append(found)
                continue
            totals.update(samples=found.samples, problems=found.problems, measured=found.measured)
            if found.damage:
                damaged[str(task)] = found.damage
            progress.add(found.samples)
    return {"shards": len(tasks), **totals, "damaged": dict(sorted(damaged.items()))}, failures
