"""One image member: is it whole, is it what its name says, and is anything odd about it. Not captions."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

from t2igan.curate.validate.findings import Findings
from t2igan.curate.validate.kinds import kind_of
from t2igan.data.pixels import BadSampleError, is_rotated, is_transparent, open_picture, read_header, to_rgb

SUFFIXES = {"JPEG": ("jpg", "jpeg"), "MPO": ("jpg", "jpeg"), "PNG": ("png",), "WEBP": ("webp",)}
PNG_DEPTH = 24  # offset of the bit depth in a PNG
TURNED = ("Rotated", "Mirrored", *"2345678")  # how EXIF's orientation is written where it is not upright


def check_picture(
    data: bytes, suffix: str, key: str, findings: Findings, *, decodes: bool, max_pixels: int
) -> bool:
    """Look at an image, by its header or decoding it; whether it lies turned and says so."""
    if not data:
        findings.add("empty image", key, f".{suffix}")
        return False
    try:
        picture = _open(data, decodes=decodes, max_pixels=max_pixels)
        rgb = to_rgb(picture) if decodes else None
    except BadSampleError as problem:
        findings.add(kind_of(problem.reason), key, problem.detail)
        return False
    if suffix not in SUFFIXES.get(str(picture.format), ()):
        findings.add("extension is not the content's", key, f".{suffix} holds {picture.format}")
    for oddity in _oddities(picture, data):
        findings.add(oddity, key, f".{suffix}")
    if rgb is not None and all(low == high for low, high in _extrema(rgb)):
        findings.add("constant image", key, f"{rgb.width} x {rgb.height}, all of {rgb.getpixel((0, 0))}")
    return _is_turned(picture)


def _open(data: bytes, *, decodes: bool, max_pixels: int) -> Image.Image:
    if decodes:
        return open_picture(data, max_pixels=max_pixels)
    return read_header(io.BytesIO(data), max_pixels=max_pixels)


def _oddities(picture: Image.Image, data: bytes) -> Iterator[str]:
    """What training converts."""
    if _is_turned(picture):
        yield "turned by EXIF"
    if picture.mode == "CMYK":
        yield "CMYK"
    if picture.format == "PNG" and data[PNG_DEPTH] == 16:
        yield "16 bits a channel"
    if getattr(picture, "is_animated", False):
        yield "animated"
    if is_transparent(picture):
        yield "transparent"


def _is_turned(picture: Image.Image) -> bool:
    try:
        return is_rotated(picture)
    except (
        Exception
    ):  # decoders raise almost anything on a broken EXIF block; to_rgb says so where it matters
        return False


def _extrema(rgb: Image.Image) -> list[tuple[float, float]]:
    return [band.getextrema() for band in rgb.split()]  # pyright: ignore[reportReturnType]


def noted_turn(fields: Mapping[str, Any]) -> str:
    """The orientation that a .json notes for a picture that was not upright, as img2dataset does; empty if it was."""
    exif = fields.get("exif")
    try:
        noted = json.loads(exif) if isinstance(exif, str) else exif
    except (ValueError, RecursionError):
        return ""
    if not isinstance(noted, dict):
        return ""
    orientation = str(noted.get("Image Orientation", noted.get("Orientation", ""))).strip()
    return orientation if orientation.startswith(TURNED) else ""
