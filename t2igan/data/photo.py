"""One picture file of any kind as upright RGB and transparency, with notes on what was changed; and the way back.

Not training data, whose pictures are laid over a matte and cut to squares (pixels.py).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from t2igan.data.photo_limit import pixels_allowed
from t2igan.data.pixels import is_rotated, is_transparent, to_rgb
from t2igan.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
CHANGED = {"1": "black and white", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette"}
PNG_DEPTH = 24  # byte of a PNG that says how many bits a sample has
TIFF_DEPTH = 258  # the tag that says so
SHRINK = "Cut or shrink it first, or raise the limit: --max-megapixels."


@dataclass(frozen=True)
class Photo:
    """A decoded picture."""

    image: Tensor  # [3, H, W] uint8; of transparent pixels, the colour that is stored there
    alpha: Image.Image | None  # mode L
    profile: bytes | None  # ICC, of an RGB colour space
    notes: tuple[str, ...]  # what was changed on the way in


def picture_size(path: Path, *, max_pixels: int) -> tuple[int, int]:
    """Width and height by the header alone.

    Raises:
        DataError: as `read_photo`, as far as a header tells.
    """
    with pixels_allowed(max_pixels), _open(path, max_pixels) as picture:
        return picture.size


def read_photo(path: Path, *, max_pixels: int) -> Photo:
    """Decode a file; of several frames the first one.

    Args:
        path: JPEG, PNG, WebP, BMP, GIF or TIFF, by content.
        max_pixels: larger pictures are refused by their header.

    Raises:
        DataError: if it cannot be read, is too large, or holds float pixels.
    """
    with pixels_allowed(max_pixels), _open(path, max_pixels) as opened:
        try:
            notes = _notes(path, opened)
            opened.load()
            upright = ImageOps.exif_transpose(opened) if is_rotated(opened) else opened
            layer, alpha = _layers(upright)
        except Exception as error:  # decoders raise almost anything on broken bytes
            raise DataError(f"{path}: does not decode ({error}). Fetch or save it again.") from error
        if upright is not opened:
            notes.append("turned upright by EXIF")
        profile = opened.info.get("icc_profile")
        return Photo(
            _pixels(layer.convert("RGB")), alpha, profile if _is_rgb(profile) else None, tuple(notes)
        )


def _layers(upright: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours, and transparency of mode L if there is any."""
    if not is_transparent(upright):
        return to_rgb(upright), None
    if upright.mode.startswith("I"):  # 16-bit grey, of which a PNG can declare one value transparent
        shown = np.asarray(upright) != upright.info["transparency"]
        return to_rgb(upright), Image.fromarray(shown.astype(np.uint8) * 255)
    layer = upright.convert("RGBA")
    return layer, layer.getchannel("A")


def enlarged(photo: Photo, image: Tensor) -> Image.Image:
    """Put a larger version of the colours together with transparency, enlarged by a Lanczos filter, and profile.

    Args:
        photo: what was read.
        image: [3, H scale, W scale] uint8.
    """
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    if photo.alpha is not None:
        picture.putalpha(photo.alpha.resize(picture.size, Image.Resampling.LANCZOS))
    if photo.profile is not None:
        picture.info["icc_profile"] = photo.profile
    return picture


def _open(path: Path, max_pixels: int) -> Image.Image:
    """A picture of which only the header was read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of size, which max_pixels judges, and of damage, which decoding finds
            picture = Image.open(path, formats=FORMATS)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path}: far more pixels than the {max_pixels:,} that may be read. {SHRINK}"
        ) from error
    except Exception as error:  # decoders raise almost anything on broken bytes
        raise DataError(
            f"{path}: not a picture that can be read ({error}). Known: {', '.join(FORMATS)}."
        ) from error
    if picture.width * picture.height > max_pixels:
        picture.close()
        raise DataError(
            f"{path}: {picture.width} x {picture.height} pixels are more than the {max_pixels:,} that may be read. "
            f"{SHRINK}"
        )
    if picture.mode == "F":
        picture.close()
        raise DataError(f"{path}: holds float pixels, whose range nobody states. Save it with 8 or 16 bits.")
    return picture


def _notes(path: Path, picture: Image.Image) -> list[str]:
    """What is unusual about a picture, by its header."""
    frames = _frames(path)
    notes = []
    if frames is None:
        notes.append("first frame, as others are damaged")
    elif frames > 1 and picture.format != "MPO":  # the further ones of an MPO are previews
        notes.append(f"first of {frames} frames")
    if _has_16_bits(path, picture):
        notes.append("16 bits reduced to 8")
    if picture.mode not in ("RGB", "RGBA"):
        kind = "grey" if picture.mode.startswith("I") else CHANGED.get(picture.mode, picture.mode)
        notes.append(f"{kind} made RGB")
    return notes


def _frames(path: Path) -> int | None:
    """How many there are, or None where not all of them can be found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damage, which is told by None
        with Image.open(path, formats=FORMATS) as picture:  # anew, as a search that fails leaves it anywhere
            try:
                return getattr(picture, "n_frames", 1)
            except Exception:  # decoders raise almost anything on broken bytes
                return None


def _has_16_bits(path: Path, picture: Any) -> bool:
    # Pillow reads PNGs and TIFFs of 16 bits as 8 without saying so, unless they are grey
    if picture.mode.startswith("I"):
        return True
    if picture.format == "PNG":
        with path.open("rb") as file:
            return file.read(PNG_DEPTH + 1)[-1] == 16
    depths = picture.tag_v2.get(TIFF_DEPTH, (8,)) if picture.format == "TIFF" else (8,)
    return max(depths) > 8


def _is_rgb(profile: object) -> bool:
    """Whether an ICC profile is one of RGB colours, by its header."""
    return isinstance(profile, bytes) and profile[16:20] == b"RGB "


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
