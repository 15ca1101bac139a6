"""Picture files -> larger PNG files with their story inside. The drawing is upscaler's, the decoding data/photo.py's."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2igan import __version__, images
from t2igan.data.photo import Photo, enlarged, picture_size, read_photo
from t2igan.data.photo_files import Job, find_pictures, name_outputs
from t2igan.errors import DataError, T2IGanError, UsageError
from t2igan.files import check_folder, temporary_name
from t2igan.sampling import choose_device
from t2igan.upscaler.model import Upscaled, Upscaler
from t2igan.upscaler.tiling import Tiling

LOG = logging.getLogger(__name__)
DEFAULT_UPSCALER = "embedded:shapes_x4"
MAX_MEGAPIXELS = 269  # of an output: 16,384 x 16,384
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class UpscaleRequest:
    """What `t2igan upscale` was asked for."""

    places: tuple[str, ...]  # files, folders, patterns
    model: str | None = None
    scale: int | None = None
    prompt: str | None = None
    seed: int = 0
    tiling: Tiling = field(default_factory=Tiling)
    has_noise: bool = True
    has_one_latent: bool = True
    out: Path = Path("out")
    overwrite: bool = False
    metadata: bool = True
    device: str = "auto"
    max_megapixels: float = MAX_MEGAPIXELS

    @property
    def model_name(self) -> str:
        """The model that was asked for, or the one inside the package; an empty name is an error of its own."""
        return DEFAULT_UPSCALER if self.model is None else self.model


@dataclass(frozen=True)
class Outcome:
    """What became of one picture: a file, or an error."""

    job: Job
    size: tuple[int, int] = (0, 0)  # width, height of what was written
    notes: tuple[str, ...] = ()
    error: T2IGanError | None = None


def upscale_files(request: UpscaleRequest, on_progress: Progress | None = None) -> Iterator[Outcome]:
    """Enlarge every picture; yields what became of each. A picture that fails stops no other.

    Args:
        request: what to do.
        on_progress: called with enlarged thousands of pixels that are done, and all of them.

    Raises:
        UsageError: for a scale, tiling, prompt or limit that cannot be, before any work.
        DataError: if a folder or pattern holds no picture.
        CheckpointError: if the model cannot be read.
        T2IGanError: if the folder cannot be written.
    """
    if not 0 < request.max_megapixels * 1e6 < math.inf:
        raise UsageError(
            f"--max-megapixels {request.max_megapixels:g}: give a finite number above 0, such as 1000."
        )
    check_folder(request.out)
    sources = find_pictures(request.places, request.out)
    model = Upscaler.from_checkpoint(request.model_name, device=choose_device(request.device))
    scale = _checked_scale(model, request)
    jobs = name_outputs(sources, request.out, scale)
    limit = int(request.max_megapixels * 1e6) // scale**2
    areas = [_area(job, limit) for job in jobs]
    for i, job in enumerate(jobs):
        told = _share_of(on_progress, areas, i)
        try:
            yield _upscale_file(model, request, job, scale, limit, told)
        except T2IGanError as error:
            yield Outcome(job, error=error)
        except OSError as error:
            yield Outcome(job, error=_not_written(job.path, error))
        if told is not None:
            told(1, 1)


def _checked_scale(model: Upscaler, request: UpscaleRequest) -> int:
    """The factor of all passes together, once everything but the pictures is known to be possible."""
    passes = model.num_passes(request.scale)
    request.tiling.check(model.G)
    if request.prompt is not None:
        if model.conditioner is None:
            raise UsageError("--prompt: this model reads no text, so it would change nothing. Leave it out.")
        cut = model.conditioner.cut(request.prompt)
        if cut:
            LOG.warning("warning: the text encoder cannot read the end of this prompt, which is cut: %r", cut)
    return model.G.scale**passes


def _upscale_file(
    model: Upscaler, request: UpscaleRequest, job: Job, scale: int, limit: int, told: Progress | None
) -> Outcome:
    with contextlib.suppress(FileNotFoundError):
        temporary_name(job.path).stat()  # which tells before any work that a name is too long
    if job.path.exists() and not request.overwrite:
        raise UsageError(f"{job.path}: exists already. Choose another --out, or add --overwrite.")
    photo = read_photo(job.source, max_pixels=limit)
    try:
        done = model.run(
            photo.image[None],
            request.tiling,
            seeds=[request.seed],
            prompts=None if request.prompt is None else [request.prompt],
            scale=scale,
            has_noise=request.has_noise,
            has_one_latent=request.has_one_latent,
            on_progress=told,
        )
    except T2IGanError as error:
        raise type(error)(f"{job.source}: {error}") from error
    story = story_of(model, request, job, photo, done) if request.metadata else None
    picture = enlarged(photo, done.images[0])
    images.save_png(job.path, picture, story)
    return Outcome(job, picture.size, photo.notes)


def _not_written(path: Path, error: OSError) -> T2IGanError:
    is_long = error.errno == errno.ENAMETOOLONG
    advice = "Give the picture a shorter name." if is_long else "Choose another --out."
    return T2IGanError(f"{path}: cannot be written ({error.strerror or error}). {advice}")


def story_of(
    model: Upscaler, request: UpscaleRequest, job: Job, photo: Photo, done: Upscaled
) -> dict[str, Any]:
    """What a PNG says of itself: enough to make it again from its source."""
    return {
        "source": job.source.name,
        "source_size": list(photo.image.shape[1:]),
        "notes": list(photo.notes),
        "scale": done.images.shape[2] // photo.image.shape[1],
        "seed": request.seed,
        "prompt": request.prompt,
        "noise": request.has_noise,
        "per_tile_z": not request.has_one_latent,
        "tile": done.tile,
        "overlap": done.overlap,
        "blend": request.tiling.blend,
        "model": {"name": request.model_name, "fingerprint": model.fingerprint},
        "conditioner": None if model.conditioner is None else model.conditioner.fingerprint,
        "created_by": f"t2igan {__version__}",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _area(job: Job, limit: int) -> int:
    """Thousands of pixels of a picture, for the estimate of the time that is left; 0 where it cannot be read."""
    try:
        width, height = picture_size(job.source, max_pixels=limit)
    except DataError:
        return 0  # told when its turn comes
    return max(1, width * height // 1000)


def _share_of(on_progress: Progress | None, areas: list[int], i: int) -> Progress | None:
    """The progress of one picture as a share of all of them."""
    if on_progress is None:
        return None
    return lambda done, total: on_progress(sum(areas[:i]) + areas[i] * done // max(total, 1), sum(areas))
