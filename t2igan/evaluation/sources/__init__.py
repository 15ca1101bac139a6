"""Where pictures come from: files, zips, shards, or a generator. Torch-free until one is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from t2igan.evaluation.preparation import Preparation

if TYPE_CHECKING:
    from t2igan.evaluation.source import ImageSource


def open_source(place: str, preparation: Preparation | None = None) -> ImageSource:
    """A folder or zip of pictures, or shards.

    Args:
        place: a folder (of pictures, else of shards), a .zip, or a file, glob or brace pattern of shards.
        preparation: crop and resize; None = as stored.

    Raises:
        DataError: if there is nothing to measure.
    """
    from t2igan.evaluation.sources.files import FilesSource, holds_pictures
    from t2igan.evaluation.sources.shards import ShardsSource

    prepare = preparation or Preparation()
    if place.lower().endswith(".zip") or (Path(place).is_dir() and holds_pictures(Path(place))):
        return FilesSource(Path(place), prepare)
    return ShardsSource(place, prepare)
