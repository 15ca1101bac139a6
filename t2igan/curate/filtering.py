"""`data filter`: score what is missing, select, write. Killed at any time, the same command goes on where it was."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2igan.curate.config import Rules, ScoreConfig
from t2igan.curate.engine import Failure, Workers, run_tasks
from t2igan.curate.failures import SHOWN, refuse
from t2igan.curate.progress import Progress
from t2igan.curate.rules import ORDER
from t2igan.curate.score.task import ScoreTask
from t2igan.curate.scoring import run_scoring, score_tasks
from t2igan.curate.select import select
from t2igan.curate.selection import Load, Selection, write_selection
from t2igan.curate.storage import Folder, Shard, list_shards
from t2igan.curate.table import ScoreTable, read_table
from t2igan.curate.write.dataset import claim, inside, provenance, record, remove_stale, settings_hash
from t2igan.curate.write.shard import WriteTask, make_writer
from t2igan.errors import DataError, UsageError


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
    shards, target = list_shards(source), Folder(out)
    if any(shard.folder.url.rstrip("/") == out.rstrip("/") for shard in shards):
        raise UsageError(f"{out}: is the input as well. Choose another folder for the output.")
    settings = _settings(shards, rules, config, preset)
    claim(target, settings, overwrites=overwrites)
    tasks = score_tasks(shards, scores)
    scored, failures = run_scoring(tasks, config, rules, workers, is_quiet=is_quiet)
    refuse(failures, "could not be scored", len(tasks))
    selection = _select(tasks, rules, preset)
    if is_strict:
        _refuse_problems(selection, scored["damaged"])
    _keep_selection(selection, tasks, target)
    _write(tasks, selection, target, settings_hash(settings), workers, is_quiet=is_quiet)
    remove_stale(target, (shard.stem for shard in shards))
    results = {
        "samples": selection.seen,
        "kept": selection.kept,
        "reasons": {reason: n for reason, n in selection.counts().items() if n},
        "damaged": scored["damaged"],
    }
    record(target, settings, is_complete=True, results=results | {"columns": selection.summary()["origins"]})
    return {"out": out, "shards": len(shards), **results, "measured": scored["measured"]}


def _settings(
    shards: Sequence[Shard], rules: Rules, config: ScoreConfig, preset: str | None
) -> dict[str, Any]:
    """What the output depends on, for the record and to tell it from another; not where the folders lie."""
    inputs = sorted({shard.folder for shard in shards}, key=lambda folder: folder.url)
    return {
        "made_by": "data filter",
        "preset": preset,
        "rules": rules.model_dump(mode="json", exclude_defaults=True),
        "scores": config.model_dump(mode="json", exclude_defaults=True),
        "input": {"folders": [folder.url for folder in inputs], "shards": len(shards)},
        "input_made_by": [found for folder in inputs if (found := provenance(folder)) is not None],
    }


def _loader(tasks: Sequence[ScoreTask]) -> Load:
    """Shard stem -> its table."""
    place = {task.shard.stem: task for task in tasks}

    def load(stem: str, columns: Sequence[str] | None) -> ScoreTable:
        task = place[stem]
        with task.tables.fetched(task.name) as path:
            return read_table(path, task.tables.where(task.name), columns)

    return load


def _select(tasks: Sequence[ScoreTask], rules: Rules, preset: str | None) -> Selection:
    return select(_loader(tasks), [task.shard.stem for task in tasks], rules, preset=preset)


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


def _keep_selection(selection: Selection, tasks: Sequence[ScoreTask], target: Folder) -> None:
    """Keep the reasons with the data set, in .t2igan/selection."""
    folder = Folder(f"{inside(target).url}/selection")
    if folder.path is not None:
        write_selection(selection, folder.path, _loader(tasks))
        return
    with tempfile.TemporaryDirectory(prefix="t2igan-") as local:
        write_selection(selection, Path(local), _loader(tasks))
        for path in sorted(Path(local).iterdir()):
            folder.put(path.name, path.read_bytes())


def _write(
    tasks: Sequence[ScoreTask],
    selection: Selection,
    target: Folder,
    settings: str,
    workers: Workers,
    *,
    is_quiet: bool,
) -> None:
    """Write every shard.

    Raises:
        DataError: after the others are done, if some could not be.
    """
    names = tuple(selection.names)
    todo = [WriteTask(task, target, selection.codes[task.shard.stem], names, settings) for task in tasks]
    failures = []
    with Progress("write", len(todo), is_quiet=is_quiet) as progress:
        for _, stats in run_tasks(make_writer, todo, workers):
            if isinstance(stats, Failure):
                failures.append(stats)
            else:
                progress.add(stats["count"])
    refuse(failures, "could not be written", len(todo))
