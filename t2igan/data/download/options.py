"""What a download is asked to do, as checked values. Not how it is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from t2igan.data.convert import Conversion, parse_color
from t2igan.errors import UsageError

Progress = Callable[[int, int], None]  # URLs done, URLs in all


def _cores() -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True)
class DownloadOptions:
    """What the data set is made with, and how fast.

    Raises:
        UsageError: if a number cannot be right.
    """

    size: int = 512
    """Larger pictures are shrunk to this shorter side."""
    min_size: int = 64
    """Pictures with a shorter side below this are left out."""
    max_aspect: float = 3.0
    """Pictures longer than this multiple of their shorter side are left out."""
    background: str = "white"
    """Colour under transparent pixels."""
    url_column: str | None = None
    """Column of the table; found by its name if not given."""
    caption_column: str | None = None
    """The same for captions."""
    per_shard: int = 10_000
    """URLs, not samples, in a shard."""
    shards_per_part: int = 256
    """Shards that one child process downloads; bounds the originals that lie on the disk at a time."""
    processes: int = field(default_factory=_cores)
    """Processes that download, and threads that shrink."""
    threads: int = 64
    """Downloads at the same time in each process."""
    timeout_s: float = 10
    """Seconds without a byte after which a download is given up; in all it may take six times that."""
    retries: int = 1
    """Further tries of a URL that failed."""
    stall_s: float = 600
    """Seconds without any progress after which the child is ended and started anew."""

    def __post_init__(self) -> None:
        if self.size < 8 or min(self.per_shard, self.shards_per_part, self.processes, self.threads) < 1:
            raise UsageError(f"size = {self.size}: at least 8; per_shard, processes and threads: at least 1.")
        if self.max_aspect < 1 or self.timeout_s <= 0 or self.retries < 0 or self.min_size < 0:
            raise UsageError("max_aspect is at least 1, timeout above 0, retries and min_size at least 0.")
        parse_color(self.background)

    @property
    def conversion(self) -> Conversion:
        """What becomes of each picture."""
        return Conversion(self.size, self.min_size, self.max_aspect, parse_color(self.background))

    def settings(self) -> dict[str, Any]:
        """What decides the content of the data set, as JSON; speed does not."""
        speed = {"shards_per_part", "processes", "threads", "timeout_s", "retries", "stall_s"}
        return {key: value for key, value in asdict(self).items() if key not in speed}
