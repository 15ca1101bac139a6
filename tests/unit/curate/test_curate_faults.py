"""Faults that a review of the curation code found: each has a test that failed before its fix."""

from __future__ import annotations

import multiprocessing as mp
import signal
import time
import weakref
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from score_tables import table_of

from t2igan.curate.config import Rules, ScoreConfig
from t2igan.curate.engine import Workers, run_tasks
from t2igan.curate.score.measuring import Measuring
from t2igan.curate.scoring import score_shards
from t2igan.curate.select import select
from t2igan.curate.table import Origin, ScoreTable, read_table
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.tars import salvage_tar
from t2igan.errors import DataError
from t2igan.metrics.config import SmallClipFeaturesConfig

if TYPE_CHECKING:
    from t2igan.curate.score.networks import Networks

CLIP = "clip:embedded:shapes_scorer"


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


class Watched:
    """In place of networks: knows how many prepared pictures there are at once."""

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most = 0

    def prepare(self, picture: Image.Image) -> Any:
        prepared = torch.zeros(1)
        self.alive.add(prepared)
        return prepared

    def measure(self, prepared: Sequence[Any], captions: Sequence[str]) -> dict[str, np.ndarray]:
        self.most = max(self.most, len(self.alive))
        return {CLIP: np.zeros(len(captions), np.float32)}

    def names(self) -> dict[str, Origin]:
        return {CLIP: Origin("clip", "embedded:shapes_scorer")}

    origins = names


def test_pictures_do_not_pile_up_where_they_are_hashed_as_well(tmp_path: Path):
    path = write_shapes_tar(tmp_path, 60)
    config = ScoreConfig(
        clip=SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer"), phash=True, batch=4
    )
    score_shards(str(path), config=ScoreConfig(), workers=Workers(count=1), is_quiet=True)
    table = read_table(path.with_suffix(".scores.parquet"), "")
    watched = Watched()
    measuring = Measuring(table, config, cast("Networks", watched), threads=1)
    found = measuring.run(path, salvage_tar(path), range(60)).columns
    assert (found[CLIP].null_count, found["phash"].null_count) == (0, 0)
    assert watched.most <= 2 * config.batch


def write_shapes_tar(folder: Path, count: int) -> Path:
    write_shapes(folder / "in", n=count, resolution=32, seed=1, config=ShapesConfig(), per_shard=count)
    return folder / "in" / "00000.tar"
