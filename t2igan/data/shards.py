"""Finding tar shards and counting their samples. Not reading samples."""

from __future__ import annotations

import glob
import json
import logging
import re
from pathlib import Path

from t2igan.data.resolutions import choose_folder
from t2igan.data.tars import check_end, index_tar
from t2igan.errors import DataError, nearest

log = logging.getLogger(__name__)

BRACES = re.compile(r"\{([^{}]*)\}")
SEPARATOR = "::"  # between several patterns, as in open_clip
MAX_SHARDS = 1_000_000


def find_shards(pattern: str, *, resolution: int | None = None) -> list[Path]:
    """Expand a folder, a glob, a brace pattern, one file, or several of them joined by `::`.

    Args:
        pattern: such as `datasets/cc3m`, `cc3m/*.tar`, `cc3m/{00000..00331}.tar`, `a::b`, `cc3m/{resolution}`.
        resolution: what `{resolution}` stands for, or the next larger folder that is there, in pixels.

    Returns:
        Shards in the order of the pattern, those of a folder or glob sorted by name.

    Raises:
        DataError: naming what is missing, or a pattern that is not a file pattern (`pipe:`, a URL).
    """
    if re.match(r"\s*(pipe:|\w+://)", pattern):
        raise DataError(
            f"{pattern!r}: shards are files here; commands and URLs are not opened. Download them first; or set "
            f"data.cache_dir, and training fetches s3://, gs://, hf:// and https:// as it needs them."
        )
    parts = [choose_folder(part, resolution) for part in pattern.split(SEPARATOR)]
    shards = [shard for part in parts for text in _texts(part) for shard in _find(text)]
    missing = [shard for shard in shards if not shard.is_file()]
    if missing:
        share = (
            f" ({len(missing)} of the {len(shards)} shards of {pattern!r} are missing)"
            if len(shards) > 1
            else ""
        )
        raise DataError(f"{missing[0]}: no such file{share}{_hint(missing[0])}")
    return shards


def _texts(part: str) -> list[str]:
    """What a pattern stands for; a name with braces that is there means itself."""
    return [part] if Path(part).exists() else expand(part)


def expand(pattern: str) -> list[str]:
    """Expand every `{00000..00331}` and `{a,b}`, as a shell does.

    Raises:
        DataError: if a range counts down or stands for more than a million files.
    """
    found = BRACES.search(pattern)
    if not found:
        return [pattern]
    tails = expand(pattern[found.end() :])
    return [pattern[: found.start()] + option + tail for option in _options(found[1]) for tail in tails]


def _options(inside: str) -> list[str]:
    """What one pair of braces stands for."""
    limits = re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", inside)
    if not limits:
        return inside.split(",")
    first, last = int(limits[1]), int(limits[2])
    if not 0 <= last - first < MAX_SHARDS:
        raise DataError(f"{{{inside}}}: a range goes up, and over at most {MAX_SHARDS} numbers.")
    return [f"{n:0{len(limits[1])}d}" for n in range(first, last + 1)]


def _find(text: str) -> list[Path]:
    """The shards that one pattern without braces stands for."""
    path = Path(text)
    if path.is_dir():
        _warn_if_unfinished(path)
        return sorted(path.glob("*.tar")) or _nothing_in(path)
    if glob.has_magic(text) and not path.exists():
        return [Path(name) for name in sorted(glob.glob(text))] or _nothing_matches(text)  # noqa: PTH207 - absolute patterns
    return [path]


def _nothing_in(folder: Path) -> list[Path]:
    inside = sorted({shard.parent.name for shard in folder.glob("*/*.tar")})
    if inside:
        raise DataError(f"{folder}: no .tar here, but there are some in {', '.join(inside[:5])}: "
                        f"give one of these, or '{folder}/*/*.tar' for all.")  # fmt: skip
    others = sum(1 for _ in folder.iterdir())
    raise DataError(f"{folder}: no .tar shards, but {others} other files. For a folder of images and captions, "
                    f"run `t2igan data import {folder} --out DIR` and give DIR.")  # fmt: skip


def _nothing_matches(text: str) -> list[Path]:
    raise DataError(
        f"{text!r}: no file matches. Give a folder, or a pattern such as 'cc3m/{{00000..00331}}.tar'."
    )


def _hint(missing: Path) -> str:
    if not missing.parent.is_dir():
        return f"; the folder {missing.parent} does not exist either. Check the path."
    present = [path.name for path in missing.parent.glob("*.tar")]
    return f"{nearest(missing.name, present) or '.'} {missing.parent} holds {len(present)} .tar files."


def _warn_if_unfinished(folder: Path) -> None:
    try:
        provenance = json.loads((folder / ".t2igan" / "dataset.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return  # not written by t2igan
    if isinstance(provenance, dict) and provenance.get("is_complete") is False:
        log.warning("%s: writing this data set was interrupted; some samples are missing.", folder)


def count_samples(shards: list[Path]) -> list[int]:
    """Number of samples of each shard: from NNNNN_stats.json beside it, else by reading the tar's headers.

    Raises:
        DataError: if a shard is truncated or no tar, or there is no sample at all.
    """
    counts = [_count(shard) for shard in shards]
    if not sum(counts):
        raise DataError(
            f"{shards[0]}: no samples in {len(shards)} shard(s). A sample is NAME.jpg with NAME.txt."
        )
    return counts


def _count(shard: Path) -> int:
    check_end(shard)
    try:
        data = shard.with_name(f"{shard.stem}_stats.json").read_bytes()
    except OSError:
        data = None
    count = count_in_stats(data)
    return len(index_tar(shard)) if count is None else count


def count_in_stats(data: bytes | None) -> int | None:
    """The number of samples that the bytes of a NNNNN_stats.json give; None if there are none, or not img2dataset's."""
    try:
        count = json.loads(data or b"")["successes"]
    except (ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) and count >= 0 else None
