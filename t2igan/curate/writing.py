"""`data write`: the samples of a selection, a shard for a shard. Also the last step of `data filter`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2igan.curate.engine import Failure, Workers, run_tasks
from t2igan.curate.failures import refuse
from t2igan.curate.progress import Progress
from t2igan.curate.score.task import score_task
from t2igan.curate.score_set import ScoreSet, open_scores
from t2igan.curate.selection import Selection, read_selection, write_selection
from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.curate.write.dataset import claim, inside, provenance, record, remove_stale, settings_hash
from t2igan.curate.write.shard import WriteTask, make_writer
from t2igan.errors import UsageError


def write_selected(
    source: str,
    out: str,
    *,
    selection: str | Path,
    scores: str | None = None,
    workers: Workers | None = None,
    overwrites: bool = False,
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Write the samples that a selection keeps. No model, no rules.

    Args:
        source: the shards that were selected from.
        out: new or empty folder or URL, or one of an earlier call with the same selection.
        selection: folder that `data select` wrote.
        scores: folder of the score tables; None = beside each shard.
        workers: who does the work; the output does not depend on it.
        overwrites: replace a data set that was made with another selection.
        is_quiet: no progress on stderr.

    Returns:
        {"out", "shards", "samples", "kept", "reasons": reason -> count}.

    Raises:
        DataError: if the selection is of other shards, `out` is taken, or, after the others are done, shards failed.
    """
    tables = open_scores(source, scores)
    chosen = read_selection(
        Path(selection), {stem: tables.load(stem, ["key"]).source for stem in tables.shards}
    )
    target = Target(
        out, list(tables.shards.values()), {"made_by": "data write", "selection": chosen.summary()}
    )
    target.claim(scores=scores, overwrites=overwrites)
    failures = target.write(chosen, tables, workers or Workers(), is_quiet=is_quiet)
    summary = target.finish(chosen, damaged={}, failures=failures)
    refuse(failures, "could not be written", len(tables.shards))
    return summary


@dataclass(frozen=True)
class Target:
    """The data set that is being written."""

    url: str
    shards: Sequence[Shard]  # of the input
    made_with: Mapping[str, Any]

    @property
    def folder(self) -> Folder:
        """Where it goes."""
        return Folder(self.url)

    @property
    def settings(self) -> dict[str, Any]:
        """What the output depends on; kept with it, and compared when the same command comes again."""
        inputs = sorted({shard.folder for shard in self.shards}, key=lambda folder: folder.url)
        return {
            **self.made_with,
            "input": {"folders": [folder.url for folder in inputs], "shards": len(self.shards)},
            "input_made_by": [found for folder in inputs if (found := provenance(folder)) is not None],
        }

    def claim(self, *, scores: str | None, overwrites: bool) -> None:
        """Take the folder.

        Args:
            scores: folder of the input's score tables; None = beside its shards.
            overwrites: also if it holds a data set with other settings.

        Raises:
            UsageError: if it is the input, or the place of its score tables.
            DataError: if it holds anything else.
        """
        if self.folder.place in {shard.folder.place for shard in self.shards}:
            raise UsageError(f"{self.url}: is the input as well. Choose another folder for the output.")
        if scores is not None and self.folder.place == Folder(scores).place:
            raise UsageError(f"--scores {scores}: is the folder of the output, whose shards have scores of their own. "
                             "Choose another.")  # fmt: skip
        claim(self.folder, self.settings, overwrites=overwrites)

    def write(
        self, selection: Selection, tables: ScoreSet, workers: Workers, *, is_quiet: bool
    ) -> list[Failure]:
        """Keep the selection in .t2igan/selection, and write every shard that it knows; what failed."""
        self._keep(selection, tables)
        names, settings = tuple(selection.names), settings_hash(self.settings)
        todo = [
            WriteTask(score_task(shard, tables.tables), self.folder, selection.codes[stem], names, settings)
            for stem, shard in tables.shards.items()
        ]
        failures = []
        with Progress("write", len(todo), is_quiet=is_quiet) as progress:
            for _, stats in run_tasks(make_writer, todo, workers):
                if isinstance(stats, Failure):
                    failures.append(stats)
                else:
                    progress.add(stats["count"])
        return failures

    def _keep(self, selection: Selection, tables: ScoreSet) -> None:
        folder = Folder(f"{inside(self.folder).url}/selection")
        if folder.path is not None:
            write_selection(selection, folder.path, tables.load)
            return
        with tempfile.TemporaryDirectory(prefix="t2igan-") as local:
            write_selection(selection, Path(local), tables.load)
            for path in sorted(Path(local).iterdir()):
                folder.put(path.name, path.read_bytes())

    def finish(
        self, selection: Selection, *, damaged: Mapping[str, str], failures: Sequence[Failure]
    ) -> dict[str, Any]:
        """Record what came out; the set is complete if no shard failed."""
        if not failures:
            remove_stale(self.folder, (shard.stem for shard in self.shards))
        results = {
            "samples": selection.seen,
            "kept": selection.kept,
            "reasons": {reason: n for reason, n in selection.counts().items() if n},
            "damaged": dict(damaged),
            "failed": {str(failure.task): failure.reason for failure in failures},
        }
        columns = {"columns": selection.summary()["origins"]}
        record(self.folder, self.settings, is_complete=not failures, results=results | columns)
        return {"out": self.url, "shards": len(self.shards), **results}
