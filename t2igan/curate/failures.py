"""What a run over shards says at its end when some of them failed. Torch-free; runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from t2igan.curate.engine import Failure
from t2igan.errors import DataError

SHOWN = 10  # failures that a message lists


def refuse(failures: Sequence[Failure], what: str, total: int) -> None:
    """Say which shards failed.

    Raises:
        DataError: if any did.
    """
    if failures:
        lines = sorted(f"{failure.task}: {failure.reason}" for failure in failures)
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        heading = f"{len(lines)} of {total} shards {what}; the others are done, and the same command goes on:"
        raise DataError("\n".join([heading, *lines[:SHOWN], *more]))
