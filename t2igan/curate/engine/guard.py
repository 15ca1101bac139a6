"""One worker: builds what does the work at its first task, and turns every error into a Failure. Knows no engine."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from t2igan.curate.engine import Failure, Make
from t2igan.errors import DataError, T2IGanError

log = logging.getLogger(__name__)


class Guarded:
    """A task -> (the task, its result or Failure). One bad shard must not end a run of days."""

    def __init__(self, make: Make, worker: int) -> None:
        self._make = make
        self._worker = worker
        self._do: Callable[[Any], Any] | None = None

    def __call__(self, task: Any) -> tuple[Any, Any]:
        """Do one task.

        Raises:
            T2IGanError: if the work itself cannot be built: weights that are missing concern every shard.
        """
        if self._do is None:
            self._do = self._make(self._worker)
        try:
            return task, self._do(task)
        except DataError as error:
            return task, Failure(task, str(error))
        except (T2IGanError, KeyboardInterrupt):
            raise
        except Exception as error:  # a fault of ours or of a library, on one shard
            log.warning("%s: %s", task, traceback.format_exc())
            return task, Failure(task, f"{type(error).__name__}: {error}")
