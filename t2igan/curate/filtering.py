"""`data filter`: score what is missing, select, write. Killed at any time, the same command goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t2igan.curate.config import Rules, ScoreConfig
from t2igan.curate.engine import Workers
from t2igan.curate.failures import SHOWN, refuse
from t2igan.curate.rules import ORDER
from t2igan.curate.score_set import ScoreSet
from t2igan.curate.scoring import run_scoring, score_tasks
from t2igan.curate.select import select
from t2igan.curate.selection import Selection
from t2igan.curate.shards import list_shards
from t2igan.curate.storage import Folder
from t2igan.curate.writing import Target
from t2igan.errors import DataError


def filter_shards(
    source: str,
    out: str,
    *,
    rules: Rules,
    config: ScoreConfig,
    preset: str | None = None,
    scores: str | None = None,
    workers: Workers | None = None,
    is_strict: bool = False,
    overwrites: bool = False,
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Write the samples of `source` that `rules` keep to `out`, a shard for a shard.

    Args:
        source: a folder, file, glob or brace pattern of shards, local or a URL, or several joined by `::`.
        out: new or empty folder or URL, or one of an earlier call with the same settings.
        rules: what is kept.
        config: what is measured, where the score tables lack it.
        preset: name of the preset that the rules come from, for the record.
        scores: folder of the score tables; None = beside each shard.
        workers: who does the work; the output does not depend on it.
        is_strict: a sample that cannot be used, or a damaged shard, is an error before anything is written.
        overwrites: replace a data set that was made with other settings.
        is_quiet: no progress on stderr.

    Returns:
        {"out", "shards", "samples", "kept", "reasons": reason -> count, "measured", "damaged": shard -> what}.

    Raises:
        DataError: if there are no shards, `out` is taken, or, after the others are done, shards failed.
        WeightsError: if a network's weights are not on this machine.
    """
    workers = workers or Workers()
    shards = list_shards(source)
    made_with = {
        "made_by": "data filter",
        "preset": preset,
        "rules": rules.model_dump(mode="json", exclude_defaults=True),
        "scores": config.model_dump(mode="json", exclude_defaults=True),
    }
    target = Target(out, shards, made_with)
    target.claim(scores=scores, overwrites=overwrites)
    scored, failures = run_scoring(score_tasks(shards, scores), config, rules, workers, is_quiet=is_quiet)
    if is_strict:
        refuse(failures, "could not be scored", len(shards))
    lost = {str(failure.task) for failure in failures}
    known = {shard.stem: shard for shard in shards if shard.where not in lost}
    if not known:
        refuse(failures, "could not be scored", len(shards))
    tables = ScoreSet(known, Folder(scores) if scores else None)
    selection = select(tables.load, list(known), rules, preset=preset, load_embeddings=tables.load_embeddings)
    if is_strict:
        _refuse_problems(selection, scored["damaged"])
    failures += target.write(selection, tables, workers, is_quiet=is_quiet)
    summary = target.finish(selection, damaged=scored["damaged"], failures=failures)
    refuse(failures, "could not be filtered", len(shards))
    return summary | {"measured": scored["measured"]}


def _refuse_problems(selection: Selection, damaged: Mapping[str, str]) -> None:
    """For --strict.

    Raises:
        DataError: if a sample cannot be used or a shard is damaged.
    """
    problems = {reason: n for reason, n in selection.counts().items() if n and reason not in ORDER}
    lines = [f"{n} x {reason}" for reason, n in problems.items()] + [
        f"{where}: {what}" for where, what in damaged.items()
    ]
    if lines:
        raise DataError(
            "\n".join(["--strict: some samples cannot be used, and nothing was written:", *lines[:SHOWN]])
        )
