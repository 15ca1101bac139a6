"""Pictures joined with their captions: each is usable, or skipped for a reason. Nothing is decoded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from t2igan.data.fileset import FileSet, is_picture
from t2igan.data.listing.find import Captions, Found, find_captions
from t2igan.data.listing.row import Row, fold, labels_of, split_of
from t2igan.data.pixels import BadSampleError

NO_CAPTION = "no caption"


@dataclass(frozen=True)
class Listed:
    """One picture with captions."""

    name: str  # in its set of files
    captions: tuple[str, ...]
    split: str = ""
    labels: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()  # reasons of further captions that cannot be used


@dataclass
class _Gathered:
    """What all rows of one picture say."""

    texts: list[Any] = field(default_factory=list)
    splits: set[str] = field(default_factory=set)
    labels: tuple[int, ...] = ()
    problem: BadSampleError | None = None


def list_pictures(
    files: FileSet, captions: Captions | None = None
) -> Iterator[Listed | tuple[str, BadSampleError]]:
    """Every picture with its captions, or its name and why it is skipped; a fixed order.

    Rows that lead to no picture are skipped ones as well, and so are pictures that no row names.

    Raises:
        DataError: if the captions cannot be found or read.
    """
    found = find_captions(files, captions or Captions())
    names = files.names()
    places = _Places(files, names, found)
    gathered: dict[str, _Gathered] = {}
    for row in found.rows:
        if not isinstance(row, Row):
            where, problem = row
            if where in places.present:  # of a picture, so that it is not counted once more below
                gathered[where] = _Gathered(problem=problem)
            else:
                yield where, problem
            continue
        try:
            _gather(row, gathered.setdefault(places.locate(row.file), _Gathered()))
        except BadSampleError as problem:
            yield f"{row.where} ({row.file[:80]})", problem
    for name, rows in gathered.items():
        yield _listed(files, name, rows)
    unnamed = BadSampleError(NO_CAPTION, f"no row of {found.file} names it")
    yield from ((name, unnamed) for name in names if is_picture(name) and name not in gathered)
    repeat = BadSampleError("duplicate name in the archive", "the first counts")
    yield from ((name, repeat) for name in files.repeated() if is_picture(name))


class _Places:
    """Finds the file that a row means."""

    def __init__(self, files: FileSet, names: list[str], found: Found) -> None:
        self.present = set(names)
        self._files = files
        self._base = found.base
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for name in filter(is_picture, names):
            self._by_name[PurePosixPath(name).name].append(name)

    def locate(self, file: str) -> str:
        """The name in the set: beside the captions, from the top, or, of a bare name, wherever there is just one.

        Raises:
            BadSampleError: if there is none that may be opened, or several.
        """
        file = file.strip()
        plain = file.replace("\\", "/").removeprefix("./")
        for candidate in (f"{self._base}/{plain}", plain):
            if candidate.removeprefix("./") in self.present:
                return candidate.removeprefix("./")
        places = self._by_name.get(plain, [])
        if len(places) > 1:
            raise BadSampleError("ambiguous file name", " and ".join(places[:2]))
        if places:
            return places[0]
        self._files.check(file)
        return file


def _gather(row: Row, rows: _Gathered) -> None:
    """Add a row to those of its picture; what is wrong with any of them is wrong with the picture."""
    rows.texts += row.texts if isinstance(row.texts, list | tuple) else [row.texts]
    rows.labels = rows.labels or labels_of(row.fields)
    try:
        rows.splits.add(split_of(row.fields))
    except BadSampleError as problem:
        rows.problem = problem
    if len(rows.splits) > 1:
        rows.problem = BadSampleError("rows disagree on the split", ", ".join(sorted(rows.splits)))


def _listed(files: FileSet, name: str, rows: _Gathered) -> Listed | tuple[str, BadSampleError]:
    try:
        if rows.problem is not None:
            raise rows.problem
        files.check(name)
    except BadSampleError as problem:
        return name, problem
    captions, problems = fold(rows.texts)
    if not captions:
        return name, (
            problems or [BadSampleError(NO_CAPTION, "no .txt of the same name, or no text in its row")]
        )[0]
    return Listed(name, tuple(captions), "".join(rows.splits), rows.labels, tuple(p.reason for p in problems))
