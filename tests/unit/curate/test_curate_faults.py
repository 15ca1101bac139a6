"""Faults that a review of the curation code found: each has a test that failed before its fix."""

from __future__ import annotations

import multiprocessing as mp
import signal
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from score_tables import table_of

from t2igan.curate.config import Rules
from t2igan.curate.engine import Workers, run_tasks
from t2igan.curate.select import select
from t2igan.curate.table import Origin, ScoreTable
from t2igan.errors import DataError


@dataclass(frozen=True)
class Slow:
    """Does task 0 at once; everything else takes long, and leaves a mark."""

    mark: str

    def __call__(self, worker: int) -> Slow.Do:
        return Slow.Do(self.mark)

    @dataclass(frozen=True)
    class Do:
        mark: str

        def __call__(self, task: int) -> bool:
            if task:
                time.sleep(20)
                Path(self.mark).touch()
            return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_who_stops_a_run_need_not_wait_for_shards_in_work(error: type[BaseException], tmp_path: Path):
    mark = tmp_path / "mark"
    results = cast("Generator[Any, None, None]", run_tasks(Slow(str(mark)), [0, 1], Workers(count=2)))
    assert next(results) == (0, True)  # Ctrl-C in a terminal reaches workers as well; they say nothing of it
    with pytest.raises(error):
        results.throw(error)
    assert not mp.active_children()
    assert not mark.exists()


def watermarked(shard: str, values: list[float], source: str) -> ScoreTable:
    table = table_of(len(values), shard, watermark=values)
    table.origins["watermark"] = Origin("watermark", source=source)
    return table


def test_a_shard_that_is_empty_or_carries_no_scores_spoils_no_other():
    tables = {
        "0": table_of(0, "0"),
        "1": table_of(2, "1"),
        "2": watermarked("2", [0.1, 0.9], "column pwatermark"),
    }
    rules = Rules(max_watermark=0.5, dedup=("phash",))
    for name in tables:
        if name != "0":
            tables[name].columns = tables[name].columns.append_column("phash", pa.array([1, 2], pa.uint64()))
    found = select(lambda shard, columns: pick(tables[shard], columns), list(tables), rules)
    assert found.counts() == {"no watermark score": 2, "watermark": 1, "near duplicate": 0}
    assert found.reasons("0").tolist() == []
    tables["2"] = watermarked("2", [0.1, 0.9], "computed")  # then shard 1 was merely not scored yet
    with pytest.raises(DataError, match=r"1\.tar: its scores lack watermark, which those of 2\.tar have"):
        select(lambda shard, columns: pick(tables[shard], columns), list(tables), Rules(max_watermark=0.5))


def pick(table: ScoreTable, columns: Sequence[str] | None) -> ScoreTable:
    names = [n for n in table.columns.column_names if columns is None or n in columns]
    return ScoreTable(table.source, table.columns.select(names), table.origins)
