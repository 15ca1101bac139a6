"""The members of one sample (image, .txt, .json) -> a Sample, and the count of those that could not be read.

Not how members are found: that is tars.py. Nothing here trusts a byte; no other suffix is ever decoded.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2igan.data.pixels import BadSampleError, read_square
from t2igan.errors import DataError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp")
MAX_BYTES = {"txt": 2**16, "json": 2**20} | dict.fromkeys(IMAGE_SUFFIXES, 2**28)
"""Suffix -> largest member that is read, in bytes; other suffixes are ignored."""
ReadSquare = Callable[
    ..., np.ndarray
]  # (bytes, *, resolution, max_pixels) -> [resolution, resolution, 3] uint8
LOG_EVERY = 1000
MIN_JUDGED = 200  # samples before the bad fraction is judged, or all of a smaller set


@dataclass(frozen=True)
class Decoded:
    """A sample before one of its captions is picked."""

    image: np.ndarray  # [R, R, 3] uint8
    captions: tuple[str, ...]
    labels: tuple[int, ...]


def decode(
    members: Mapping[str, bytes], *, resolution: int, max_pixels: int, read: ReadSquare = read_square
) -> Decoded:
    """Decode one sample.

    Args:
        members: suffix without dot -> bytes, e.g. {"jpg": ..., "txt": ..., "json": ...}.
        resolution: side of the centre crop, in pixels.
        max_pixels: larger images are refused by their header.
        read: from the image's bytes to its square.

    Raises:
        BadSampleError: if the image or every caption is missing or unreadable, or the image is smaller than `resolution`.
    """
    suffix = next((s for s in IMAGE_SUFFIXES if s in members), None)
    if suffix is None:
        raise BadSampleError(
            "no image member", f"found {sorted(members)}, expected one of {', '.join(IMAGE_SUFFIXES)}"
        )
    fields = _fields(members.get("json", b"{}"))
    captions = _captions(members.get("txt", b""), fields)
    square = read(members[suffix], resolution=resolution, max_pixels=max_pixels)
    return Decoded(square, captions, _labels(fields))


def read_captions(members: Mapping[str, bytes]) -> tuple[str, ...]:
    """The captions of one sample, at least one; its image is not looked at.

    Raises:
        BadSampleError: if every caption is missing or unreadable.
    """
    return _captions(members.get("txt", b""), _fields(members.get("json", b"{}")))


def _fields(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:  # RecursionError: brackets nested by the thousand
        raise BadSampleError("unreadable .json", str(error)) from error
    return fields if isinstance(fields, dict) else {}


def _captions(text: bytes, fields: dict[str, Any]) -> tuple[str, ...]:
    """The .json's list `captions`, else the .txt, else the .json's `caption` or `text`; white space is folded."""
    try:
        candidates = [text.decode("utf-8-sig")]
    except UnicodeDecodeError as error:
        raise BadSampleError("caption is not UTF-8", str(error)) from error
    several = fields.get("captions")
    groups = (
        several if isinstance(several, list) else [],
        candidates,
        [fields.get("caption"), fields.get("text")],
    )
    for group in groups:
        captions = tuple(folded for c in group if isinstance(c, str) and (folded := " ".join(c.split())))
        if captions:
            return captions
    raise BadSampleError("no caption", "no .txt member, and no caption in the .json")


def _labels(fields: dict[str, Any]) -> tuple[int, ...]:
    labels = fields.get("labels")
    if not isinstance(labels, list) or not all(isinstance(n, int) and abs(n) < 2**31 for n in labels):
        return ()
    return tuple(labels)


def printable(text: str) -> str:
    """Text that any log takes: bytes of file names that are no UTF-8 are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class Tally:
    """Counts samples read and skipped; logs the first of every reason, then every thousandth."""

    def __init__(self) -> None:
        self.tried = 0
        self.bad: Counter[str] = Counter()

    def skip(self, where: str, problem: BadSampleError) -> None:
        """Count one bad sample."""
        self.bad[problem.reason] += 1
        if self.bad[problem.reason] % LOG_EVERY == 1:
            log.warning(
                "%s: skipped: %s (%s). Number %d of its kind; the next %d are only counted.",
                printable(where), problem.reason, printable(problem.detail), self.bad[problem.reason], LOG_EVERY - 1,
            )  # fmt: skip

    def check(self, source: str, *, total: int, max_bad_fraction: float) -> None:
        """Stop when too many samples are bad.

        Raises:
            DataError: if more than `max_bad_fraction` of at least 200 samples (or of all) could not be read.
        """
        if self.tried >= min(MIN_JUDGED, total) and self.bad.total() > max_bad_fraction * self.tried:
            raise DataError(f"{source}: {self.bad.total()} of {self.tried} samples cannot be used: {self.reasons()}. "
                            "Mend the data, or raise data.max_bad_fraction.")  # fmt: skip

    def reasons(self) -> str:
        """Such as "12 x no caption, 3 x does not decode", most frequent first."""
        return ", ".join(f"{n} x {reason}" for reason, n in self.bad.most_common())
