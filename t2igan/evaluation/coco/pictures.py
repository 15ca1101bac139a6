"""The pictures that a protocol measures: what a model draws, or what somebody else's drew. Not the real ones."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import torch

from t2igan.data.fileset import is_picture, read_file
from t2igan.data.pixels import BadSampleError, read_header
from t2igan.data.sources import open_files
from t2igan.errors import DataError, UsageError
from t2igan.evaluation.coco.annotations import Annotations
from t2igan.evaluation.coco.captions import choose
from t2igan.evaluation.coco.given import CaptionedSource, read_captions, read_lines
from t2igan.evaluation.coco.request import CocoRequest
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.source import ImageSource
from t2igan.evaluation.sources.decoding import MAX_BYTES, MAX_PIXELS
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.evaluation.sources.files import FilesSource, natural_key
from t2igan.pipeline import DEFAULT_MODEL, TextToImage


@dataclass(frozen=True)
class Asked:
    """Pictures, and what is known of them."""

    pictures: ImageSource
    captions: list[str]  # [] where nobody told
    pipeline: TextToImage | None  # None = drawn elsewhere
    is_shrunk: bool  # whether they were drawn larger


def ask(request: CocoRequest, annotations: Annotations, device: torch.device) -> Asked:
    """Pictures of a model, or of a folder.

    Raises:
        UsageError: if the model draws smaller pictures than are measured.
        DataError: if there are too few captions or pictures.
        CheckpointError: if the model cannot be read.
    """
    return _given(request) if request.images is not None else _drawn(request, annotations, device)


def _drawn(request: CocoRequest, annotations: Annotations, device: torch.device) -> Asked:
    pipeline = TextToImage.from_checkpoint(request.model, device=device)
    name, side = request.model or DEFAULT_MODEL, request.side
    if pipeline.resolution < side:
        raise UsageError(
            f"{name} draws {pipeline.resolution} px, and nothing is enlarged to {side}. Give --resolution {pipeline.resolution}."
        )
    captions, is_shrunk = _to_draw(request, annotations), pipeline.resolution > side
    drawn = DrawnSource(
        pipeline,
        captions,
        name=name,
        psi=request.psi,
        seed=request.seed,
        noise_mode=request.recipe.noise,
        preparation=Preparation(side if is_shrunk else None),
        batch=request.batch,
    )
    return Asked(drawn, captions, pipeline, is_shrunk)


def _to_draw(request: CocoRequest, annotations: Annotations) -> list[str]:
    count = request.n or request.recipe.count
    if request.captions is None:
        return [c.caption for c in choose(annotations, request.recipe, n=count, seed=request.seed)]
    captions = read_lines(request.captions)
    if len(captions) < count:
        raise UsageError(
            f"{request.captions}: has {len(captions)} captions, and {count} are drawn. Give more, or --count {len(captions)}."
        )
    return captions[:count]


def _given(request: CocoRequest) -> Asked:
    assert request.images is not None
    source = FilesSource(request.images, Preparation(request.side))
    count = len(source) if request.n is None else request.n
    if count > len(source):
        raise DataError(f"{source.name}: has {len(source)} pictures, and --count {count} asks for more.")
    captions = [] if request.captions is None else read_captions(request.captions, source)[:count]
    pairs = CaptionedSource(source, captions or [""] * count)
    return Asked(pairs, captions, None, _side(request.images) > request.side)


def _side(path: Path) -> int:
    """The shorter side of the first picture as it is stored."""
    with open_files(path) as files:
        name = min(filter(is_picture, files.names()), key=natural_key)
        try:
            picture = read_header(io.BytesIO(read_file(files, name, limit=MAX_BYTES)), max_pixels=MAX_PIXELS)
        except BadSampleError as problem:
            raise DataError(f"{path}/{name}: {problem.reason}. Remove or mend it.") from problem
    return min(picture.size)
