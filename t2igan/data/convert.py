"""One image file -> the member of a shard: copied where it can be, else upright 8-bit RGB. Not captions."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageColor

from t2igan.data.pixels import RGB, WHITE, BadSampleError, is_rotated, is_transparent, open_picture, to_rgb
from t2igan.errors import UsageError

SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
LOSSLESS_UP_TO = 128  # pixels; JPEG's blocks are visible to a discriminator in small images
JPEG_QUALITY = 95
MAX_PIXELS = 178_956_970  # Pillow's own limit


@dataclass(frozen=True)
class Conversion:
    """How pictures are brought into shards."""

    size: int | None = None
    """Larger pictures are shrunk to this shorter side; None keeps all sizes."""
    min_size: int = 0
    """Pictures with a shorter side below this are skipped."""
    max_aspect: float | None = None
    """Pictures with a longer side beyond this multiple of the shorter one are skipped."""
    matte: RGB = WHITE
    """Colour under transparent pixels."""
    max_pixels: int = MAX_PIXELS
    """Larger pictures are skipped by their header."""


def parse_color(background: str) -> RGB:
    """A colour as Pillow names it.

    Raises:
        UsageError: if it is none.
    """
    try:
        red, green, blue, *_ = ImageColor.getrgb(background)
    except ValueError as error:
        raise UsageError(f"background {background!r} is no colour. Write a name or #rrggbb.") from error
    return red, green, blue


def convert_image(data: bytes, conversion: Conversion) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The image member (suffix -> bytes), and what is known about it: sizes, and the matte where there was one.

    Raises:
        BadSampleError: if the bytes are no whole image of a known kind, or break one of the limits.
    """
    picture = open_picture(data, max_pixels=conversion.max_pixels)
    fields: dict[str, Any] = {"original_width": picture.width, "original_height": picture.height}
    if is_transparent(picture):
        fields["matte"] = list(conversion.matte)
    _refuse(picture, conversion)
    if _is_plain(picture) and not _is_larger(picture, conversion.size):
        members, final = {SUFFIXES[str(picture.format)]: data}, picture
    else:
        final = _shrink(to_rgb(picture, matte=conversion.matte), conversion.size)
        members = _encode(final, is_lossless=picture.format == "PNG" or min(final.size) <= LOSSLESS_UP_TO)
    return members, fields | {"width": final.width, "height": final.height}


def _refuse(picture: Image.Image, conversion: Conversion) -> None:
    short, long = sorted(picture.size)
    if short < conversion.min_size:
        raise BadSampleError(f"smaller than {conversion.min_size} px", f"{picture.width} x {picture.height}")
    if conversion.max_aspect is not None and long > conversion.max_aspect * short:
        raise BadSampleError(
            f"longer than {conversion.max_aspect:g} x its width", f"{picture.width} x {picture.height}"
        )


def _is_plain(picture: Image.Image) -> bool:
    """Whether every reader shows the file alike: 8 bits, opaque, upright, one frame."""
    is_simple = picture.format in SUFFIXES and picture.mode in ("RGB", "L")
    is_still = not getattr(picture, "is_animated", False)
    return is_simple and is_still and not is_transparent(picture) and not is_rotated(picture)


def _is_larger(picture: Image.Image, size: int | None) -> bool:
    return size is not None and min(picture.size) > size


def _shrink(picture: Image.Image, size: int | None) -> Image.Image:
    """Shrink so that the shorter side is `size`, keeping the aspect ratio; nothing is enlarged."""
    side = min(picture.size)
    if size is None or side <= size:
        return picture
    width, height = (max(size, round(length * size / side)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _encode(picture: Image.Image, *, is_lossless: bool) -> dict[str, bytes]:
    buffer = io.BytesIO()
    if is_lossless:
        picture.save(buffer, "PNG")
        return {"png": buffer.getvalue()}
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return {"jpg": buffer.getvalue()}
