"""Pictures with captions -> tar shards. Not a filter: it leaves out only what cannot be used, and counts that."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2igan.data.convert import MAX_PIXELS, Conversion, convert_image, parse_color
from t2igan.data.fileset import FileSet, read_file
from t2igan.data.listing.find import Captions
from t2igan.data.listing.pictures import Listed, list_pictures
from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import MAX_BYTES, Tally
from t2igan.data.sources import open_files
from t2igan.data.writer import PER_SHARD, ShardWriter
from t2igan.errors import DataError, UsageError

DEFAULT_SPLIT = "train"  # of rows without one, where others have one
Progress = Callable[[int, int], None]  # pictures done, pictures in all


def import_pictures(
    source: str | Path,
    out: str | Path,
    *,
    captions: Captions | None = None,
    size: int | None = None,
    background: str = "white",
    per_shard: int = PER_SHARD,
    max_pixels: int = MAX_PIXELS,
    is_strict: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a folder or a zip of images (jpg, png, webp) with captions as shards.

    Images are copied byte for byte unless they must change: to be shrunk, turned upright, or laid over `background`.

    Args:
        source: a folder, searched with its sub-folders, or a zip, which is read in place.
        out: new or empty folder; with splits, each goes to a folder of its name below it.
        captions: where they are; None looks for them, see `find_captions`.
        size: shrink the shorter side to this; smaller images are skipped. None keeps the size.
        background: colour under transparent pixels, as Pillow names it; recorded with the data set.
        per_shard: samples a shard.
        max_pixels: larger images are skipped by their header.
        is_strict: the first image that cannot be used is an error.
        on_progress: called with the images done and in all.

    Returns:
        {"out", "seen", "samples", "shards", "bytes", "skipped": reason -> count, "captions_left_out": reason -> count,
        "splits": name -> samples}; seen = samples + skipped.

    Raises:
        UsageError: if an option cannot be right.
        DataError: if the source is missing or holds nothing usable, or `out` cannot be used.
    """
    conversion = _conversion(size, background, max_pixels)
    source, out = Path(source), Path(out)
    if out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out}: lies inside {source}, which is being read. Choose an --out outside of it.")
    settings = {"made_by": "data import", "source": source.resolve().name, "size": size, "background": background,
                "per_shard": per_shard, "max_pixels": max_pixels}  # fmt: skip
    if captions is not None and captions != Captions():
        settings["captions"] = [captions.file, captions.columns.image, captions.columns.caption]
    with open_files(source) as files:
        tally = ImportTally(str(source), is_strict=is_strict)
        listed = tally.usable(list_pictures(files, captions))
        if not listed:
            raise _nothing_usable(source, tally)
        writing = Writing(files, conversion, tally, on_progress)
        return writing.write(listed, out, settings=settings, per_shard=per_shard)


def _conversion(size: int | None, background: str, max_pixels: int) -> Conversion:
    if size is not None and size < 8:
        raise UsageError(f"size = {size}: at least 8.")
    return Conversion(size, min_size=size or 0, matte=parse_color(background), max_pixels=max_pixels)


def _nothing_usable(source: Path, tally: ImportTally) -> DataError:
    reasons = tally.reasons() or "there is no jpg, png or webp file"
    return DataError(f"{source}: no image with a caption: {reasons}{tally.first}. "
                     "Put a.txt beside a.png, or write metadata.jsonl.")  # fmt: skip


class ImportTally(Tally):
    """Counts what is skipped; with `is_strict` the first of it is an error."""

    def __init__(self, source: str, *, is_strict: bool = False) -> None:
        super().__init__()
        self.captions: Counter[str] = Counter()  # reasons of captions left out of samples that have others
        self.first = ""  # the first unreadable row, as such a row may be why nothing is usable
        self._source = source
        self._is_strict = is_strict

    def usable(self, found: Iterable[Listed | tuple[str, BadSampleError]]) -> list[Listed]:
        """The usable images; the others are counted."""
        usable = []
        for item in found:
            self.tried += 1
            if isinstance(item, Listed):
                usable.append(item)
                self.captions.update(item.left_out)
            else:
                self.skip(*item)
        return usable

    def skip(self, where: str, problem: BadSampleError) -> None:
        """Count one bad sample.

        Raises:
            DataError: if strict.
        """
        if self._is_strict:
            raise DataError(f"{self._source}: {where}: {problem.reason} ({problem.detail}). Mend or remove it, "
                            "or leave --strict away to skip and count such samples.")  # fmt: skip
        if not self.first and problem.reason.startswith("unreadable"):
            self.first = f"; {where}: {problem.detail}"
        super().skip(f"{self._source}: {where}", problem)


@dataclass
class Writing:
    """Writes listed images of one set of files as shards."""

    files: FileSet
    conversion: Conversion
    tally: ImportTally
    on_progress: Progress | None = None
    _done: int = field(default=0, init=False)

    def write(
        self,
        listed: Sequence[Listed],
        out: Path,
        *,
        settings: dict[str, Any],
        per_shard: int = PER_SHARD,
        facts: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write all images, each split to a folder of its own; returns what `import_pictures` does.

        Args:
            listed: images of `files`.
            out: new or empty folder.
            settings: what the data set is made of, as JSON.
            per_shard: samples a shard.
            facts: what its dataset.json is to say beyond that.

        Raises:
            UsageError: if `per_shard` is not positive.
            DataError: if none can be used, or `out` cannot be written.
        """
        if per_shard < 1:
            raise UsageError(f"per_shard = {per_shard}: at least 1.")
        splits = _by_split(listed)
        writers: dict[str, ShardWriter] = {}
        with ExitStack() as stack:
            for split in splits:
                writer = ShardWriter(out / split, settings=settings | {"split": split}, per_shard=per_shard)
                writers[split] = stack.enter_context(writer)
            for split, images in splits.items():
                for image in images:
                    self._write(image, writers[split], len(listed))
            if not any(writer.samples for writer in writers.values()):
                raise DataError(
                    f"{self.files.label}: none of {self.tally.tried} images can be used: {self.tally.reasons()}."
                )
            for writer in writers.values():
                writer.facts |= (facts or {}) | {"import": self._counts()}
        return self._report(out, writers)

    def _write(self, image: Listed, writer: ShardWriter, total: int) -> None:
        """Write one image, or count why not."""
        try:
            data = read_file(self.files, image.name, limit=MAX_BYTES["jpg"])
            members, fields = convert_image(data, self.conversion)
        except BadSampleError as problem:
            self.tally.skip(image.name, problem)
        else:
            fields |= {
                "key": writer.next_key(),
                "caption": image.captions[0],
                "captions": list(image.captions),
            }
            fields |= {"file_name": image.name} | ({"labels": list(image.labels)} if image.labels else {})
            text = json.dumps(fields, ensure_ascii=False).encode(errors="backslashreplace")  # odd file names
            writer.write(members | {"txt": image.captions[0].encode(), "json": text})
        self._done += 1
        if self.on_progress is not None:
            self.on_progress(self._done, total)

    def _counts(self) -> dict[str, Any]:
        skipped, left_out = (dict(c.most_common()) for c in (self.tally.bad, self.tally.captions))
        return {"seen": self.tally.tried, "skipped": skipped, "captions_left_out": left_out}

    def _report(self, out: Path, writers: dict[str, ShardWriter]) -> dict[str, Any]:
        totals = {
            key: sum(getattr(w, key) for w in writers.values()) for key in ("samples", "shards", "bytes")
        }
        splits = {split: writer.samples for split, writer in writers.items() if split}
        counts = self._counts()
        return {"out": str(out), "seen": counts.pop("seen"), **totals, **counts, "splits": splits}


def _by_split(listed: Sequence[Listed]) -> dict[str, list[Listed]]:
    """Split name -> its images; one nameless split where no row has one."""
    default = DEFAULT_SPLIT if any(image.split for image in listed) else ""
    splits: dict[str, list[Listed]] = {}
    for image in listed:
        splits.setdefault(image.split or default, []).append(image)
    return splits
