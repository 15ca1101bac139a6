"""What a folder of captioned pictures, or a set of shards, holds: counts, sizes, captions. Decodes no picture.

Sizes come from headers, so a picture that is cut off behind its header passes here and is skipped later. Of a large
set only a seeded part is looked at. What follows for training is not decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Literal

from PIL.ContainerIO import ContainerIO

from t2igan.data.convert import MAX_PIXELS
from t2igan.data.draws import permutation
from t2igan.data.fileset import FileSet
from t2igan.data.listing.find import METADATA
from t2igan.data.listing.pictures import NO_CAPTION, Listed, list_pictures
from t2igan.data.pixels import BadSampleError, read_header
from t2igan.data.samples import IMAGE_SUFFIXES, read_captions
from t2igan.data.shards import count_samples, find_shards
from t2igan.data.sources import open_files
from t2igan.data.tars import Entry, index_tar, read_members
from t2igan.errors import DataError, nearest

MAX_LOOKED_AT = 4000  # samples: a share of them is known to 1.6 percent points
MAX_SHARDS_OPENED = 16  # listing a shard of 10,000 samples takes part of a second
PATTERN = set("{*?[:")  # characters that only patterns of shards, and URLs, are expected to hold
Look = tuple[int, int, tuple[str, ...]]  # width, height, captions


@dataclass(frozen=True)
class Inspection:
    """What was found; shares are of the samples that were looked at."""

    source: str
    kind: Literal["folder", "shards"]
    count: int  # samples in all, those that cannot be used included
    looked_at: int
    sizes: tuple[tuple[int, int], ...]  # (width, height) of each usable one that was looked at
    words: tuple[int, ...]  # words of each of their captions, in rising order
    distinct_captions: int
    problems: dict[str, int]  # why others cannot be used -> how many
    splits: dict[str, int]  # of a folder with splits: name -> pictures with a caption, in all

    @property
    def is_exact(self) -> bool:
        """Whether every sample was looked at."""
        return self.looked_at == self.count

    @property
    def usable(self) -> int:
        """Samples that can be used, in all; scaled up where only a part was looked at."""
        return round(self.count * len(self.sizes) / self.looked_at)

    @cached_property
    def sides(self) -> list[int]:
        """Shorter sides in pixels, in rising order."""
        return sorted(min(size) for size in self.sizes)

    def share_reaching(self, resolution: int) -> float:
        """Share of the usable pictures whose shorter side is at least `resolution`."""
        return sum(side >= resolution for side in self.sides) / len(self.sides)

    @property
    def crop_loss(self) -> float:
        """Share of the average picture that the largest centred square leaves out."""
        return sum(1 - min(size) / max(size) for size in self.sizes) / len(self.sizes)


def inspect_data(source: str, *, limit: int = MAX_LOOKED_AT) -> Inspection:
    """Look into a folder or zip as `data import` reads it, or into shards as `data.shards` names them.

    Args:
        source: a folder or a zip of pictures; or a folder, file, glob or brace pattern of shards, several joined by `::`.
        limit: most samples whose header and captions are read; which ones depends on their number alone.

    Raises:
        DataError: if nothing is there, none can be used, or most have no caption.
    """
    path = Path(source)
    if not path.exists() and not set(source) & PATTERN:
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"{source}: no such folder or file{nearest(path.name, beside)}. Give a folder of pictures, or shards."
        )
    if path.suffix.lower() == ".zip" or (path.is_dir() and not _holds_shards(path)):
        return _inspect_pictures(source, limit)
    return _inspect_shards(source, limit)


def _holds_shards(folder: Path) -> bool:
    """Whether a folder holds shards, and no pictures beside them."""
    suffixes = {path.suffix.lower() for path in folder.iterdir()}
    return ".tar" in suffixes and not suffixes & {f".{suffix}" for suffix in IMAGE_SUFFIXES}


def _inspect_pictures(source: str, limit: int) -> Inspection:
    with open_files(Path(source)) as files:
        listed = list(list_pictures(files))
        if not listed and any(Path(source).glob("*/*.tar")):
            return _inspect_shards(source, limit)  # which says what to give instead
        if not listed:
            raise DataError(
                f"{source}: no jpg, png or webp file in it or below, and no .tar. Give the folder of the pictures, or shards."
            )
        names = [found.split or "train" for found in listed if isinstance(found, Listed)]
        has_splits = any(found.split for found in listed if isinstance(found, Listed))
        chosen = [listed[i] for i in permutation(len(listed), "inspect")[:limit]]
        splits = dict(Counter(names)) if has_splits else {}
        looks = (_look_at_file(files, found) for found in chosen)
        return _gather(source, "folder", len(listed), looks, splits)


def _look_at_file(files: FileSet, found: Listed | tuple[str, BadSampleError]) -> Look | BadSampleError:
    if not isinstance(found, Listed):
        return found[1]
    try:
        with files.open(found.name) as file:
            return (*_size(file), found.captions)
    except BadSampleError as problem:
        return problem


def _inspect_shards(source: str, limit: int) -> Inspection:
    shards = find_shards(source)
    count = sum(count_samples(shards))
    opened = [shards[i] for i in sorted(permutation(len(shards), "inspect")[:MAX_SHARDS_OPENED])]
    places = [(shard, entry) for shard in opened for entry in index_tar(shard)]
    chosen = (places[i] for i in sorted(permutation(len(places), "inspect")[:limit]))
    return _gather(source, "shards", count, (_look_at_entry(*place) for place in chosen), {})


def _look_at_entry(shard: Path, entry: Entry) -> Look | BadSampleError:
    try:
        suffix = next((s for s in IMAGE_SUFFIXES if s in entry.members), None)
        if suffix is None:
            raise BadSampleError("no image member")
        texts = {s: place for s, place in entry.members.items() if s in ("txt", "json")}
        captions = read_captions(read_members(shard, Entry(entry.key, texts)))
        with shard.open("rb") as file:
            return (*_size(ContainerIO(file, *entry.members[suffix])), captions)
    except BadSampleError as problem:
        return problem


def _size(file: IO[bytes]) -> tuple[int, int]:
    """Width and height by the header, without a decoded pixel."""
    return read_header(file, max_pixels=MAX_PIXELS).size


def _gather(
    source: str,
    kind: Literal["folder", "shards"],
    count: int,
    looks: Iterable[Look | BadSampleError],
    splits: dict[str, int],
) -> Inspection:
    """Sum up what was seen.

    Raises:
        DataError: if nothing can be used, or most have no caption.
    """
    problems: Counter[str] = Counter()
    good = list(_good(looks, problems))
    tried = len(good) + problems.total()
    reasons = ", ".join(f"{n} x {reason}" for reason, n in problems.most_common())
    if 2 * problems[NO_CAPTION] > tried:
        raise DataError(
            f"{source}: {problems[NO_CAPTION]} of {tried} pictures have no caption. {_captions_fix(kind)}"
        )
    if not good:
        raise DataError(
            f"{source}: none of {tried} samples can be used: {reasons}. Give captioned jpg, png or webp."
        )
    captions = [caption for *_, texts in good for caption in texts]
    words = sorted(len(caption.split()) for caption in captions)
    sizes = tuple((width, height) for width, height, _ in good)
    return Inspection(
        source, kind, count, tried, sizes, tuple(words), len(set(captions)), dict(problems), splits
    )


def _good(looks: Iterable[Look | BadSampleError], problems: Counter[str]) -> Iterator[Look]:
    """The usable ones; the reasons of the others are counted in `problems`."""
    for look in looks:
        if isinstance(look, BadSampleError):
            problems[look.reason] += 1
        else:
            yield look


def _captions_fix(kind: str) -> str:
    if kind == "shards":
        return (
            "In shards the caption of NAME.jpg is the member NAME.txt; write the shards again with captions."
        )
    return (
        f"Put cat.txt with the words beside cat.png, one caption a line, or write {METADATA} with a row such as "
        f'{{"file_name": "cat.png", "text": "a cat"}} for each.'
    )
