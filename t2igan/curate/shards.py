"""The shards that a pattern stands for, on this machine or behind URLs. Not what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from t2igan.curate.storage import URL, Folder
from t2igan.data.shards import SEPARATOR, expand, find_shards
from t2igan.errors import DataError


@dataclass(frozen=True)
class Shard:
    """One tar of a data set."""

    folder: Folder
    name: str  # file name of the tar
    stem: str  # of the files that are made of it: its own, or a number where several inputs share names

    @property
    def where(self) -> str:
        """Path or URL, for people."""
        return self.folder.where(self.name)


def list_shards(pattern: str) -> list[Shard]:
    """Expand a folder, file, glob or brace pattern, local or a URL, or several of them joined by `::`.

    Raises:
        DataError: naming what is missing.
    """
    places = [place for text in _parts(pattern) for place in _places(text)]
    stems = [name.removesuffix(".tar") for _, name in places]
    if len(set(stems)) < len(stems):
        stems = [f"{number:05d}" for number in range(len(stems))]
    return [Shard(Folder(url), name, stem) for (url, name), stem in zip(places, stems, strict=True)]


def _parts(pattern: str) -> list[str]:
    return [part for part in pattern.split(SEPARATOR) if part]


def _places(text: str) -> list[tuple[str, str]]:
    """(folder, name) of the shards of one pattern."""
    if not URL.match(text):
        return [(str(path.parent), path.name) for path in find_shards(text)]
    return [place for url in expand(text) for place in _remote_places(url)]


def _remote_places(url: str) -> list[tuple[str, str]]:
    if url.endswith(".tar") and "*" not in url:
        folder, _, name = url.rpartition("/")
        return [(folder, name)]
    folder, _, last = url.rstrip("/").rpartition("/") if "*" in url else (url.rstrip("/"), "", "*.tar")
    pattern = re.compile(re.escape(last).replace(r"\*", "[^/]*"))
    names = sorted(
        name for name in Folder(folder).names() if name.endswith(".tar") and pattern.fullmatch(name)
    )
    if not names:
        raise DataError(f"{url}: no .tar there. Check the address and your credentials.")
    return [(folder, name) for name in names]
