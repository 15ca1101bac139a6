"""Which file of a set holds the captions, and its rows. Not joining them with pictures."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from t2igan.data.fileset import FileSet
from t2igan.data.folder import Folder
from t2igan.data.listing.coco import coco_rows, is_coco, is_stylegan, read_json, stylegan_rows
from t2igan.data.listing.metadata_jsonl import read_metadata_jsonl
from t2igan.data.listing.row import Rows
from t2igan.data.listing.table import ANY_COLUMNS, Columns, read_table
from t2igan.data.listing.text_files import read_text_files
from t2igan.data.pixels import BadSampleError
from t2igan.errors import DataError, UsageError

log = logging.getLogger(__name__)

METADATA = "metadata.jsonl"
TABLES = tuple(
    f"{stem}.{suffix}" for stem in ("captions", "metadata") for suffix in ("csv", "tsv", "parquet")
)
STYLEGAN = "dataset.json"
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")


@dataclass(frozen=True)
class Captions:
    """Which captions to read; everything is found by itself where nothing is given."""

    file: str | None = None  # a name in the set, or a path
    columns: Columns = ANY_COLUMNS


@dataclass(frozen=True)
class Found:
    """The captions' rows, and where they come from."""

    rows: Rows
    file: str  # the caption file's name; "" where each picture has its own
    base: str = ""  # the folder inside the set that rows may be relative to


def find_captions(files: FileSet, captions: Captions) -> Found:
    """The captions that were asked for, else the first of these that exists.

    metadata.jsonl; captions or metadata as csv, tsv or parquet; StyleGAN's dataset.json; a JSON like COCO's, also in
    `annotations/`; a .txt beside each picture. They are looked for at the top, or in the only folder there.

    Raises:
        DataError: if the file is missing or unreadable, or several of one kind exist.
        UsageError: if columns are named, and the captions are in no table.
    """
    if captions.file is not None:
        found = _named(files, captions.file, captions.columns)
    else:
        found = _detected(files, captions.columns)
    is_table = PurePosixPath(found.file).suffix.lower() in TABLE_SUFFIXES
    if captions.columns != ANY_COLUMNS and not is_table:
        raise UsageError(f"columns are named, but the captions are in {found.file or '.txt files'}. "
                         "Name the table with --captions.")  # fmt: skip
    return found


def _named(files: FileSet, name: str, columns: Columns) -> Found:
    """The captions of the file that the user named: one of the set, or a path."""
    inside = name
    if isinstance(files, Folder) and Path(name).resolve().is_relative_to(files.path.resolve()):
        inside = Path(name).resolve().relative_to(files.path.resolve()).as_posix()
    try:
        files.check(inside)
        return _open(files, inside, columns)
    except BadSampleError as problem:
        if not Path(name).is_file():
            raise DataError(
                f"{name}: no such caption file, neither in {files.label} nor as a path ({problem.reason})."
            ) from problem
    found = _open(Folder(Path(name).parent), Path(name).name, columns)
    return Found(found.rows, found.file)


def _open(files: FileSet, name: str, columns: Columns) -> Found:
    """The rows of one file, by its suffix and, of a JSON, by what is in it."""
    base = str(PurePosixPath(name).parent)
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".jsonl":
        return Found(read_metadata_jsonl(files, name), name, base)
    if suffix in TABLE_SUFFIXES:
        return Found(read_table(files, name, columns), name, base)
    found = _json(files, name) if suffix == ".json" else None
    if found is None:
        raise DataError(f"{name}: holds no captions that are known. Give metadata.jsonl, a csv, tsv or parquet, a JSON "
                        "with COCO's images and annotations, or a dataset.json with [file, caption] labels.")  # fmt: skip
    return found


def _json(files: FileSet, name: str) -> Found | None:
    """The rows of a JSON with captions, or None."""
    content = read_json(files, name)
    base = str(PurePosixPath(name).parent)
    if is_coco(content):
        return Found(coco_rows(content, name), name, base)
    return Found(stylegan_rows(content, name), name, base) if is_stylegan(content) else None


def _detected(files: FileSet, columns: Columns) -> Found:
    names = files.names()
    tops = _tops(names)
    for kind in ((METADATA,), TABLES, (STYLEGAN,), None):
        candidates = [name for name in names if _is_candidate(name, kind, tops)]
        found = [opened for name in candidates if (opened := _try(files, name, columns))]
        if len(found) > 1:
            raise DataError(f"{files.label}: captions in {' and '.join(f.file for f in found)}. "
                            "Name the one to read with --captions.")  # fmt: skip
        if found:
            return found[0]
    return Found(read_text_files(files), "")


def _is_candidate(name: str, kind: tuple[str, ...] | None, tops: set[str]) -> bool:
    """Whether a file lies where captions are looked for and has a name of this kind; None stands for COCO's."""
    path = PurePosixPath(name)
    if kind is not None:
        return path.name.lower() in kind and str(path.parent) in tops
    is_in_place = str(path.parent) in tops or (
        path.parent.name == "annotations" and str(path.parent.parent) in tops
    )
    return path.suffix.lower() == ".json" and path.name.lower() != STYLEGAN and is_in_place


def _try(files: FileSet, name: str, columns: Columns) -> Found | None:
    """The captions of a file that has a promising name; None for a JSON that is something else."""
    if not name.lower().endswith(".json"):
        return _open(files, name, columns)
    try:
        return _json(files, name)
    except DataError as error:
        log.warning("%s: %s It is taken for no caption file.", files.label, error)
        return None


def _tops(names: list[str]) -> set[str]:
    """The top of the set, and the folder that holds everything if there is one; "." is the top."""
    folders = {
        name.partition("/")[0] if "/" in name else "" for name in names if not name.startswith("__MACOSX/")
    }
    return {"."} | (folders - {""} if len(folders) == 1 else set())
