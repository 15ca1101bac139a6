"""Bytes of one image file -> RGB pixels, where the file may be hostile. Not captions, not tars, not batches."""

from __future__ import annotations

import io
import warnings
from typing import IO

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP")
ORIENTATION = 0x0112  # the EXIF tag; 1 = upright
RGB = tuple[int, int, int]
WHITE: RGB = (255, 255, 255)


class BadSampleError(Exception):
    """Why one sample is skipped: `reason` is what is counted, `detail` is for the log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read_header(file: IO[bytes], *, max_pixels: int) -> Image.Image:
    """Open a JPEG, PNG or WebP file without decoding a pixel.

    Raises:
        BadSampleError: if the header promises more than `max_pixels` pixels, or is of another kind of file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # judged by max_pixels instead
            picture = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise BadSampleError("too many pixels", str(error)) from error
    except Exception as error:  # decoders raise almost anything on hostile bytes
        raise BadSampleError("not a JPEG, PNG or WebP image", str(error)) from error
    if picture.width * picture.height > max_pixels:
        raise BadSampleError("too many pixels", f"{picture.width} x {picture.height}, at most {max_pixels}")
    return picture


def open_picture(data: bytes, *, max_pixels: int, is_small: bool = False) -> Image.Image:
    """Open and fully decode JPEG, PNG or WebP bytes; of an animation, the first frame.

    Args:
        data: the file.
        max_pixels: largest number of pixels that is decoded.
        is_small: JPEGs at an eighth of their size, in half the time: all bytes are read, but few pixels made.

    Raises:
        BadSampleError: if the header promises more than `max_pixels` pixels (nothing is decoded then), or the bytes
            are no whole image.
    """
    picture = read_header(io.BytesIO(data), max_pixels=max_pixels)
    try:
        if is_small:
            picture.draft(None, (1, 1))
        picture.load()
    except Exception as error:  # the same
        raise BadSampleError("does not decode", str(error)) from error
    return picture


def is_transparent(picture: Image.Image) -> bool:
    """Whether the picture can show its background: an alpha channel, or a transparent palette entry or colour."""
    return picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info


def is_rotated(picture: Image.Image) -> bool:
    """Whether EXIF asks for a rotation or mirroring."""
    return picture.getexif().get(ORIENTATION, 1) != 1


def to_rgb(picture: Image.Image, *, matte: RGB = WHITE) -> Image.Image:
    """Turn upright by EXIF and convert any mode to 8-bit RGB; transparent pixels are laid over `matte`.

    Raises:
        BadSampleError: if the metadata or the mode is beyond Pillow.
    """
    try:
        upright = ImageOps.exif_transpose(picture) if is_rotated(picture) else picture
        if upright.mode.startswith("I"):  # 16-bit gray; Pillow's own conversion clips it to white
            gray = np.asarray(upright).astype(np.float32) / 257
            return Image.fromarray(np.rint(gray.clip(0, 255)).astype(np.uint8)).convert("RGB")
        if not is_transparent(upright):
            return upright if upright.mode == "RGB" else upright.convert("RGB")  # which would copy it
        layer = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (*matte, 255)), layer).convert("RGB")
    except Exception as error:  # a broken EXIF block or palette
        raise BadSampleError("does not convert to RGB", f"mode {picture.mode}: {error}") from error


def too_small(resolution: int) -> str:
    """The reason of a picture whose shorter side is less than `resolution` pixels."""
    return f"smaller than {resolution} px"


def check_size(size: tuple[int, int], resolution: int) -> None:
    """Make sure that a picture of `size` (width, height) need not be enlarged.

    Raises:
        BadSampleError: if its shorter side is smaller than `resolution`.
    """
    if min(size) < resolution:
        raise BadSampleError(too_small(resolution), f"{size[0]} x {size[1]}")


def read_square(data: bytes, *, resolution: int, max_pixels: int) -> np.ndarray:
    """The largest centred square of an image file, shrunk; uint8 [resolution, resolution, 3].

    Args:
        data: JPEG, PNG or WebP bytes.
        resolution: side in pixels.
        max_pixels: larger images are refused by their header.

    Raises:
        BadSampleError: if the image is unreadable, or smaller than `resolution`, which its header tells.
    """
    check_size(read_header(io.BytesIO(data), max_pixels=max_pixels).size, resolution)
    return center_crop(to_rgb(open_picture(data, max_pixels=max_pixels)), resolution)


def center_crop(picture: Image.Image, resolution: int) -> np.ndarray:
    """Cut the largest centred square and shrink it with a Lanczos filter; uint8 [resolution, resolution, 3].

    Raises:
        BadSampleError: if the shorter side is smaller than `resolution`, as nothing is ever enlarged.
    """
    check_size(picture.size, resolution)
    return np.asarray(resize_square(picture, resolution))


def resize_square(picture: Image.Image, size: int) -> Image.Image:
    """The largest centred square of an RGB picture, at `size` pixels by a Lanczos filter; smaller ones are enlarged."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    # Cut before it is shrunk: Pillow's `box` lets the filter see what lies beyond the edges, up to 12 grey levels of noise.
    square = picture.crop((left, top, left + side, top + side))
    return square if side == size else square.resize((size, size), Image.Resampling.LANCZOS)
