"""One image file -> squares of several sizes, from one decoding. Not captions, not tars."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from t2igan.data.convert import JPEG_QUALITY, LOSSLESS_UP_TO, SUFFIXES
from t2igan.data.pixels import center_crop, is_rotated, is_transparent, open_picture, to_rgb


@dataclass(frozen=True)
class Square:
    """One size of a picture, as a file."""

    suffix: str  # png or jpg
    data: bytes


@dataclass(frozen=True)
class Cut:
    """A picture in all sizes that it is large enough for."""

    original: tuple[int, int]  # width and height in pixels, upright
    crop_box: tuple[int, int, int, int]  # left, top, right, bottom of the square in it
    is_turned: bool  # whether it lay on its side, and EXIF said so
    squares: dict[int, Square]  # side in pixels -> file


def cut_squares(data: bytes, sizes: Sequence[int], *, max_pixels: int) -> Cut:
    """The largest centred square of a picture, shrunk to each size in one Lanczos step from the original.

    Squares of at most 128 px are PNGs, larger ones JPEGs of quality 95; a JPEG or PNG that is such a square already, in
    8 bits, opaque, upright and still, is given back byte for byte.

    Args:
        data: JPEG, PNG or WebP.
        sizes: sides in pixels; those beyond the picture's shorter side are left out.
        max_pixels: larger pictures are refused by their header.

    Raises:
        BadSampleError: if it does not decode.
    """
    picture = open_picture(data, max_pixels=max_pixels)
    is_plain, is_turned = _is_plain(picture), _is_turned(picture)
    rgb = to_rgb(picture)
    side = min(rgb.size)
    left, top = (rgb.width - side) // 2, (rgb.height - side) // 2
    squares = {
        size: Square(SUFFIXES[str(picture.format)], data)
        if is_plain and rgb.size == (size, size)
        else _encode(Image.fromarray(center_crop(rgb, size)))
        for size in sizes
        if size <= side
    }
    return Cut(rgb.size, (left, top, left + side, top + side), is_turned, squares)


def _is_plain(picture: Image.Image) -> bool:
    """Whether every reader shows the file alike."""
    is_still = not getattr(picture, "is_animated", False)
    is_simple = picture.format in ("JPEG", "PNG") and picture.mode in ("RGB", "L")
    return is_simple and is_still and not is_transparent(picture) and not _is_turned(picture)


def _is_turned(picture: Image.Image) -> bool:
    try:
        return is_rotated(picture)
    except Exception:  # decoders raise almost anything on a broken EXIF block; to_rgb will say so
        return True


def _encode(square: Image.Image) -> Square:
    """A PNG where JPEG's blocks would show."""
    buffer = io.BytesIO()
    if square.width <= LOSSLESS_UP_TO:
        square.save(buffer, "PNG")
        return Square("png", buffer.getvalue())
    square.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return Square("jpg", buffer.getvalue())
