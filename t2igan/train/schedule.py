"""When a run writes what, in images seen, and which of its files stay. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HALF_A_DIGIT_KIMG = 0.05  # names of files are rounded to a tenth of a thousand images


class Every:
    """Tells, step by step, whether another so many thousand images have passed."""

    def __init__(self, kimg: float | None, nimg: int) -> None:
        """Start counting.

        Args:
            kimg: the interval, in thousands of images; None = never.
            nimg: images seen so far.
        """
        self._kimg = kimg
        self._count = self._counted(nimg)

    def passed(self, nimg: int) -> bool:
        """Whether the interval has ended once or more since the last call."""
        before, self._count = self._count, self._counted(nimg)
        return self._count > before

    def _counted(self, nimg: int) -> int:
        return 0 if self._kimg is None else int(nimg / (self._kimg * 1000))


def superfluous(files: Sequence[Path], *, keep: int | None, milestone_kimg: float | None) -> list[Path]:
    """The files that may go.

    Args:
        files: named by thousands of images, oldest first.
        keep: how many of the newest stay; None = all.
        milestone_kimg: the first file in each such interval stays as well, but for the interval that begins at 0.
    """
    if keep is None:
        return []
    kept = set(files[-keep:])
    if milestone_kimg is not None:
        first: dict[int, Path] = {}
        for path in files:
            first.setdefault(int((float(path.stem) + HALF_A_DIGIT_KIMG) / milestone_kimg), path)
        kept |= {path for count, path in first.items() if count}
    return [path for path in files if path not in kept]
