"""Shards behind URLs, by fsspec: listing and fetching them. Not keeping them: that is shard_cache.py's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fsspec.core import url_to_fs

from t2igan.data.resolutions import PLACEHOLDER
from t2igan.data.shards import expand
from t2igan.errors import DataError, T2IGanError

T = TypeVar("T")

KINDS = ("s3", "s3a", "gs", "gcs", "hf", "abfs", "az", "oss", "https", "http", "file")
PAUSES_S = (1.0, 4.0)  # before a second and a third attempt
MAGIC = re.compile(r"[*?\[]")


def is_url(pattern: str) -> bool:
    """Whether a pattern is a URL of a kind that is fetched."""
    return pattern.strip().startswith(tuple(f"{kind}://" for kind in KINDS))


def find_urls(pattern: str, *, resolution: int | None = None) -> list[str]:
    """Expand the URL of a folder, a glob, a brace pattern or one file; `{resolution}` is the stage's.

    Raises:
        DataError: if nothing is there, or the place cannot be read.
    """
    if resolution is not None:
        pattern = pattern.replace(PLACEHOLDER, str(resolution))
    return [url for text in expand(pattern.strip()) for url in _find(text)]


def _find(url: str) -> list[str]:
    if url.endswith(".tar") and not MAGIC.search(url):
        return [url]  # which may be one of very many: not looked at before it is wanted
    system, path = _open(url)

    def matches() -> list[str]:
        return system.glob(path if MAGIC.search(url) else f"{path.rstrip('/')}/*.tar")

    found = sorted(str(name) for name in _attempted(matches, url))
    if not found:
        raise DataError(f"{url}: no .tar there. Give a folder of shards, or a pattern such as "
                        "'s3://bucket/cc3m/{00000..00331}.tar'.")  # fmt: skip
    return [system.unstrip_protocol(name) for name in found]


def read_beside(urls: list[str]) -> list[bytes | None]:
    """Small files at once; None for each that is not there or cannot be read."""
    if not urls:
        return []
    system, _ = _open(urls[0])
    paths = [system._strip_protocol(url) for url in urls]
    found = system.cat(paths, on_error="return")
    return [data if isinstance(data := found.get(path), bytes) else None for path in paths]


def fetch(url: str, path: Path) -> None:
    """Copy a remote file to a local path, in up to three attempts.

    Raises:
        DataError: if it is not there, or cannot be read in whole.
    """
    system, place = _open(url)
    _attempted(lambda: system.get_file(place, str(path)), url)


def _open(url: str) -> tuple[Any, str]:
    try:
        return url_to_fs(url)
    except (ImportError, ValueError, OSError) as error:
        raise DataError(f"{url}: cannot be opened ({error}). Install fsspec's package for this kind of URL (s3fs, gcsfs, "
                        "huggingface_hub, ...), or check the address.") from error  # fmt: skip


def _attempted(act: Callable[[], T], url: str) -> T:
    for pause in (*PAUSES_S, None):
        try:
            return act()
        except FileNotFoundError as error:
            raise DataError(f"{url}: not there. Check the address.") from error
        except Exception as error:  # every kind of store has errors of its own
            if isinstance(error, T2IGanError) or pause is None:
                raise DataError(f"{url}: cannot be read ({type(error).__name__}: {error}). Check the address and your "
                                "access to it; the same command goes on from the last checkpoint.") from error  # fmt: skip
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")
