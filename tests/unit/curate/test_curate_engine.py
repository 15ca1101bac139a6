"""Tasks over workers: every one done once, whatever dies. Ray has a test of its own in tests/e2e."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from t2igan.curate.engine import Failure, Workers, run_tasks
from t2igan.errors import DataError, UsageError, WeightsError


@dataclass(frozen=True)
class Squares:
    """Squares numbers; at some it does something else."""

    folder: str
    deadly: int = -1  # the process is killed here, as often as `times`
    times: int = 1

    def __call__(self, worker: int) -> Squares.Do:
        return Squares.Do(self)

    @dataclass(frozen=True)
    class Do:
        how: Squares

        def __call__(self, task: int) -> int:
            if task == self.how.deadly:
                marks = len(list(Path(self.how.folder).iterdir()))
                if marks < self.how.times:
                    Path(self.how.folder, str(marks)).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            if task == 13:
                raise DataError("13 is no number")
            if task == 14:
                raise ZeroDivisionError("14")
            return task * task


class Weightless:
    def __call__(self, worker: int) -> None:
        raise WeightsError("no weights")


def results(make: Squares, tasks: list[int], workers: Workers) -> dict[int, object]:
    found = list(run_tasks(make, tasks, workers))
    assert sorted(task for task, _ in found) == sorted(tasks)  # each once
    return dict(found)


@pytest.mark.parametrize("count", [1, 3])
def test_every_task_is_done_once_and_errors_concern_their_task_alone(count: int, tmp_path: Path):
    found = results(Squares(str(tmp_path)), list(range(10, 20)), Workers(count=count))
    assert found[13] == Failure(13, "13 is no number")
    assert found[14] == Failure(14, "ZeroDivisionError: 14")
    assert {task: value for task, value in found.items() if task not in (13, 14)} == {
        n: n * n for n in range(10, 20) if n not in (13, 14)
    }


def test_a_task_whose_worker_is_killed_is_done_by_another(tmp_path: Path):
    found = results(Squares(str(tmp_path), deadly=4, times=2), list(range(8)), Workers(count=2))
    assert found == {n: n * n for n in range(8)}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_task_that_kills_every_worker_fails_and_the_others_are_done(tmp_path: Path):
    found = results(Squares(str(tmp_path), deadly=0, times=99), list(range(5)), Workers(count=2, attempts=2))
    assert found.pop(0) == Failure(0, "its worker was killed 2 times; is there enough memory?")
    assert found == {n: n * n for n in range(1, 5)}


@pytest.mark.parametrize("count", [1, 2])
def test_missing_weights_end_the_run(count: int):
    with pytest.raises(WeightsError, match="no weights"):
        list(run_tasks(Weightless(), [1, 2], Workers(count=count)))


def test_an_unknown_engine_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'ray'"):
        list(run_tasks(Squares(""), [1], Workers(engine="rey")))  # pyright: ignore[reportArgumentType]
