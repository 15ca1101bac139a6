"""What a user can cause, as exceptions with one clear line each. Not for programming errors: those are asserts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class T2IGanError(Exception):
    """Anything a user can cause and mend. The text says what, why and how to fix; `exit_code` is the shell's."""

    exit_code = 1


class UsageError(T2IGanError):
    """An argument that cannot be right (a psi of 7, an empty prompt)."""

    exit_code = 2


class RecipeError(T2IGanError):
    """A recipe that does not decode, or whose sections contradict each other."""

    exit_code = 2


class DataError(T2IGanError):
    """Training or evaluation data that is missing, broken or hostile."""

    exit_code = 4


class CheckpointError(T2IGanError):
    """A file that is not a t2igan checkpoint, is truncated, or comes from a newer format."""


class WeightsError(T2IGanError):
    """Frozen third-party weights (CLIP, DINO, Inception) that are not on this machine."""


class TrainingError(T2IGanError):
    """A run that cannot go on, as its numbers are no longer finite."""

    exit_code = 5


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
