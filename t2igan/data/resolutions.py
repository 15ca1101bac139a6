"""Which folder of pre-shrunk shards a stage reads, where a pattern says `{resolution}`. Reads no shard.

`t2igan data bucket` writes such folders: OUT/64, OUT/256, ...
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from pathlib import Path

from t2igan.errors import DataError

log = logging.getLogger(__name__)

PLACEHOLDER = "{resolution}"


def choose_folder(pattern: str, resolution: int | None) -> str:
    """Put the stage's resolution, or else the smallest one above it that is there, for `{resolution}`.

    Args:
        pattern: one pattern of shards; without the placeholder it is given back as it is.
        resolution: of the stage, in pixels; None where no stage asks.

    Raises:
        DataError: if no folder is large enough, or nobody says which is wanted.
    """
    if PLACEHOLDER not in pattern:
        return pattern
    if resolution is None:
        raise DataError(f"{pattern!r}: stands for one folder a resolution; name one of them here.")
    sizes = _sizes(pattern)
    chosen = min((size for size in sizes if size >= resolution), default=None)
    if chosen is None:
        raise DataError(f"{pattern!r}: no folder for {resolution} px or more, {_what_is_there(sizes)}. "
                        f"Write one with `t2igan data bucket IN OUT --sizes {resolution}`.")  # fmt: skip
    if chosen != resolution:
        _say_once(
            f"{pattern}: no folder for {resolution} px; reading {chosen} px and shrinking every picture."
        )
    return pattern.replace(PLACEHOLDER, str(chosen))


def _sizes(pattern: str) -> list[int]:
    """The resolutions that a pattern has a folder (or a file) for, rising."""
    head, _, tail = pattern.partition(PLACEHOLDER)
    folder, prefix = (Path(head), "") if head.endswith("/") else (Path(head).parent, Path(head).name)
    suffix = tail.partition("/")[0] if "/" in tail else tail
    if not folder.is_dir():
        raise DataError(f"{pattern!r}: there is no folder {folder}. Check the path.")
    name = re.compile(re.escape(prefix) + r"([1-9]\d*)" + re.escape(suffix))
    found = (name.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def _what_is_there(sizes: list[int]) -> str:
    return f"only for {', '.join(map(str, sizes))}" if sizes else "or for any other size"


@lru_cache(maxsize=64)
def _say_once(line: str) -> None:
    log.warning("%s", line)
