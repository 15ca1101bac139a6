"""Files, folders and patterns -> pictures, and the names of what is made of them. Nothing is opened."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from t2igan.data.fileset import is_picture
from t2igan.data.folder import Folder
from t2igan.data.photo import SUFFIXES
from t2igan.errors import DataError

GLOB = frozenset("*?[")


@dataclass(frozen=True)
class Job:
    """One picture, and where its larger version goes."""

    source: Path
    path: Path


def find_pictures(places: Sequence[str], out: Path) -> list[tuple[Path, Path]]:
    """Files, folders (with what is below) and patterns -> pictures, each with its path below the place; a fixed order.

    What lies below `out` is left out, as it may be an earlier result. A file that does not exist stays in the list.

    Raises:
        DataError: if a folder or pattern holds no picture, or cannot be looked up.
    """
    found: dict[Path, Path] = {}
    for place in places:
        path = Path(place)
        if _is_folder(path):
            names = [name for name in Folder(path).names() if _is_known(name)]
            several = [(path / name, Path(name)) for name in names]
        elif GLOB & set(place) and not path.exists():
            names = sorted(glob.glob(place, recursive=True))  # noqa: PTH207
            several = [(Path(name), Path(Path(name).name)) for name in names if _is_known(name)]
        else:
            found.setdefault(path, Path(path.name))
            continue
        new = [pair for pair in several if not pair[0].resolve().is_relative_to(out.resolve())]
        if not new:
            beside = " beside those in --out" if several else ""
            raise DataError(f"{place}: no picture in it{beside}. Known: {', '.join(sorted(SUFFIXES))}.")
        for source, name in new:
            found.setdefault(source, name)
    return list(found.items())


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be looked up ({error.strerror}). Choose a place with a shorter name that you may read."
        ) from error


def name_outputs(sources: Sequence[tuple[Path, Path]], out: Path, scale: int) -> list[Job]:
    """`photo_x4.png` in the folder that a picture has below its place; equal names get -2, -3, ... behind them."""
    taken: set[Path] = set()
    jobs = []
    for source, name in sources:
        plain = f"{name.stem}_x{scale}"
        path, number = out / name.with_name(f"{plain}.png"), 1
        while path in taken:
            number += 1
            path = path.with_name(f"{plain}-{number}.png")
        taken.add(path)
        jobs.append(Job(source, path))
    return jobs


def _is_known(name: str) -> bool:
    return is_picture(name) and Path(name).suffix.lower() in SUFFIXES
