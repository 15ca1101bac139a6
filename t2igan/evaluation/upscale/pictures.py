"""Which pictures are made small: any source, its first ones, or shapes rendered at any size. They are cut elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from t2igan.data.config import ShapesConfig
from t2igan.errors import UsageError, nearest
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.source import ImageSource, Picture
from t2igan.evaluation.sources import open_source
from t2igan.evaluation.sources.rendered import RenderedSource
from t2igan.shapes_protocol import REFERENCE_STREAM

SHAPES, ALL = "shapes", "all"
COUNT = 1000  # shapes that are rendered unless told otherwise
LEAST_RENDERED = 16  # px


class First:
    """The first pictures of a source."""

    def __init__(self, source: ImageSource, count: int) -> None:
        self._source, self._count = source, min(count, len(source))
        self.name, self.protocol = source.name, source.protocol
        self.fingerprint = f"{source.fingerprint}-{self._count}"
        self.warnings = list(source.warnings)
        if self._count < count:
            self.warnings.append(f"{self._count} pictures, where {count} were asked for")

    def __len__(self) -> int:
        return self._count

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        """Pictures start .. stop - 1."""
        return self._source.read(start, stop)


def originals(place: str, resolution: int, *, count: int | None = None, seed: int = 0) -> ImageSource:
    """Pictures of one size.

    Args:
        place: a folder or zip of pictures, shards, or `shapes` (`shapes:seen`, `shapes:held_out`), rendered on the fly
            from numbers that no training names.
        resolution: side in pixels.
        count: the first ones; None = all, or 1000 shapes.
        seed: of shapes.

    Raises:
        UsageError: for no such shapes.
        DataError: if there is no picture.
    """
    word, _, detail = place.partition(":")
    if word == SHAPES:
        return _shapes(detail or ALL, resolution, count=count or COUNT, seed=seed)
    source = open_source(place, Preparation(resolution))
    return source if count is None else First(source, count)


def _shapes(combinations: str, resolution: int, *, count: int, seed: int) -> RenderedSource:
    known = get_args(ShapesConfig.model_fields["combinations"].annotation)
    if combinations not in known:
        raise UsageError(
            f"--data shapes:{combinations}: no such shapes{nearest(combinations, known)}. There are {', '.join(known)}."
        )
    if resolution < LEAST_RENDERED:
        raise UsageError(f"--resolution {resolution}: shapes are drawn from {LEAST_RENDERED} px on.")
    config = ShapesConfig.model_validate({"combinations": combinations})
    source = RenderedSource(config, resolution=resolution, seed=REFERENCE_STREAM + seed, n=count)
    source.name = f"{source.name}, {combinations} combinations"
    return source
