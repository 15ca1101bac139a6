"""Faults that a review of the curation code found: each has a test that failed before its fix."""

from __future__ import annotations

import multiprocessing as mp
import signal
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from t2igan.curate.engine import Workers, run_tasks


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
