"""Bytes of an image -> a square of pixels, by the fastest libraries at hand. What pixels.py does, up to rounding.

simplejpeg, if installed, decodes an ordinary JPEG to the bits of Pillow: both are libjpeg-turbo. torch's Lanczos filter,
in releases that have one for bytes, is Pillow's in 16-bit arithmetic. Every other image takes Pillow's road.
"""

from __future__ import annotations

import io
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from t2igan.data.pixels import center_crop, check_size, is_rotated, open_picture, read_header, to_rgb


def read_square_fast(data: bytes, *, resolution: int, max_pixels: int) -> np.ndarray:
    """As `read_square`: the largest centred square, uint8 [resolution, resolution, 3].

    Raises:
        BadSampleError: as `read_square`.
    """
    header = read_header(io.BytesIO(data), max_pixels=max_pixels)
    check_size(header.size, resolution)
    pixels = _decode_jpeg(data, header)
    if pixels is None:
        pixels = np.array(
            to_rgb(open_picture(data, max_pixels=max_pixels))
        )  # a copy, as torch wants to write
    square = _square(pixels)
    if len(square) > resolution:
        return _shrink(square, resolution)
    return pixels if square.size == pixels.size else square.copy()  # a view would keep the whole picture


def _decode_jpeg(data: bytes, header: Image.Image) -> np.ndarray | None:
    """uint8 [H, W, 3] of an upright colour JPEG; None for all that another library could read otherwise than Pillow."""
    jpeg = _simplejpeg()
    if jpeg is None or (header.format, header.mode) != ("JPEG", "RGB") or not _is_upright(header):
        return None
    try:
        return jpeg.decode_jpeg(data)
    except ValueError:
        return None  # damaged: Pillow tells how, or what there is to see


def _is_upright(header: Image.Image) -> bool:
    try:
        return not is_rotated(header)
    except Exception:  # a broken EXIF block, of which Pillow's road tells
        return False


@cache
def _simplejpeg() -> Any:
    """The package, or None where it is not installed."""
    try:
        return import_module("simplejpeg")
    except ImportError:
        return None


def _square(pixels: np.ndarray) -> np.ndarray:
    """The largest centred square."""
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _shrink(square: np.ndarray, resolution: int) -> np.ndarray:
    if not _has_lanczos():
        return center_crop(Image.fromarray(square), resolution)
    return _lanczos(torch.from_numpy(square), resolution).numpy()


def _lanczos(square: Tensor, side: int) -> Tensor:
    """uint8 [S, S, 3] -> [side, side, 3]."""
    channels_first = square.permute(2, 0, 1)[None]
    return F.interpolate(channels_first, (side, side), mode="lanczos", antialias=True)[0].permute(1, 2, 0)


@cache
def _has_lanczos() -> bool:
    try:
        _lanczos(torch.zeros(8, 8, 3, dtype=torch.uint8), 4)
    except (NotImplementedError, ValueError, RuntimeError):  # torch before 2.13, or a build without it
        return False
    return True
