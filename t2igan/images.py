"""Images on their way in and out: uint8 <-> [-1, 1], caption grids, PNG files that know their prompt.

Not decoding of training data (data/samples.py) and not resizing for a metric.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor

from t2igan.errors import DataError, UsageError
from t2igan.files import write_atomic

METADATA_KEY = "t2igan"
METADATA_VERSION = 1
FONT_SIZE = 12  # smaller is hard to read on a screen of ordinary density
MIN_CAPTION_WIDTH = 120  # about 20 letters: tiles narrower than that get white margins
MAX_CAPTION_LINES = 8
MARGIN = 4


def to_float(images: Tensor) -> Tensor:
    """[..] uint8 -> float32 in [-1, 1]; `to_uint8` gives the same bytes back."""
    return images.to(torch.float32) / 127.5 - 1


def to_uint8(img: Tensor) -> Tensor:
    """[..] float, about [-1, 1] -> uint8 by `img * 127.5 + 128`, clamped and truncated, as StyleGAN-T writes."""
    return (img.to(torch.float32) * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def to_pil(image: Tensor) -> Image.Image:
    """[3, H, W] uint8 -> Pillow image."""
    assert image.dtype == torch.uint8, "convert with to_uint8 first"
    assert image.ndim == 3
    return Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())


def grid(
    images: Tensor, columns: int, *, captions: Sequence[str] | None = None, scale: int = 1
) -> Image.Image:
    """Lay tiles out row by row on white, captions wrapped under them.

    Args:
        images: [N, 3, H, W] uint8.
        columns: tiles a row; a shorter last row is left white.
        captions: one a tile, or None; longer than eight lines are cut with an ellipsis.
        scale: whole factor by which every pixel is repeated.

    Raises:
        UsageError: if there is no image, or another number of captions than of images.
    """
    if len(images) == 0 or columns < 1 or scale < 1:
        raise UsageError("a grid needs at least one image, one column and a scale of 1.")
    if captions is not None and len(captions) != len(images):
        raise UsageError(
            f"{len(images)} images but {len(captions)} captions: give one caption for each image."
        )
    texts: Sequence[str | None] = captions if captions is not None else [None] * len(images)
    cells = [_cell(image, text, scale) for image, text in zip(images, texts, strict=True)]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    width = len(rows[0]) * (cells[0].width + MARGIN) + MARGIN
    heights = [max(cell.height for cell in row) + MARGIN for row in rows]
    sheet = Image.new("RGB", (width, sum(heights) + MARGIN), "white")
    for i, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.paste(cell, (MARGIN + column * (cell.width + MARGIN), MARGIN + sum(heights[:i])))
    return sheet


def _cell(image: Tensor, caption: str | None, scale: int) -> Image.Image:
    """One enlarged tile with its caption under it, on white."""
    picture = to_pil(image)
    tile = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    if caption is None:
        return tile
    font = ImageFont.load_default(size=FONT_SIZE)
    line_height = math.ceil(font.getbbox("Ágjp")[3]) + 2
    width = max(tile.width, MIN_CAPTION_WIDTH)
    lines = _wrap(caption, width - 2, font)
    cell = Image.new("RGB", (width, tile.height + MARGIN + line_height * len(lines)), "white")
    cell.paste(tile, ((width - tile.width) // 2, 0))
    draw = ImageDraw.Draw(cell)
    for i, line in enumerate(lines):
        draw.text((1, tile.height + i * line_height), line, fill="black", font=font)
    return cell


def _wrap(text: str, width: int, font: Any) -> list[str]:
    """Break `text` into lines of at most `width` pixels; a word that is too long is broken inside."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        while font.getlength(word) > width and len(word) > 1:
            fits = max(1, math.floor(len(word) * width / font.getlength(word)))
            while fits > 1 and font.getlength(word[:fits]) > width:
                fits -= 1
            lines.append(word[:fits])
            word = word[fits:]
        lines.append(word)
    if len(lines) > MAX_CAPTION_LINES:
        lines = lines[:MAX_CAPTION_LINES]
        lines[-1] = lines[-1][: max(1, len(lines[-1]) - 2)] + "…"
    return lines


def png_bytes(image: Tensor | Image.Image, metadata: Mapping[str, Any] | None = None) -> bytes:
    """Encode [3, H, W] uint8 or a Pillow image as PNG, with `metadata` as JSON in an iTXt chunk.

    Args:
        image: the picture.
        metadata: prompt, seed, psi, model, ...; `v` and `size` [height, width] are added. None = no chunk.
    """
    picture = to_pil(image) if isinstance(image, Tensor) else image
    info = PngImagePlugin.PngInfo()
    if metadata is not None:
        entry = {"v": METADATA_VERSION, **metadata, "size": [picture.height, picture.width]}
        # A prompt from a shell with broken bytes holds lone surrogates, which UTF-8 cannot store.
        text = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace").decode()
        info.add_itxt(METADATA_KEY, text)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def save_png(
    path: str | Path, image: Tensor | Image.Image, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a PNG whole or not at all, with `metadata` inside as `png_bytes` describes.

    Raises:
        T2IGanError: if the file cannot be written.
    """
    write_atomic(path, png_bytes(image, metadata))


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What `save_png` stored in a PNG: prompt, seed, psi, model, size.

    Raises:
        DataError: if the file is no image, carries no t2igan entry, or one of a newer version.
    """
    try:
        with Image.open(path) as picture:
            text = picture.info.get(METADATA_KEY)
        entry = json.loads(text) if isinstance(text, str) else None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as a PNG ({error}). Give a picture that t2igan wrote."
        ) from error
    if not isinstance(entry, dict):
        raise DataError(f"{path}: has no t2igan entry. It was made by another program or with --no-metadata.")
    if not isinstance(entry.get("v"), int) or entry["v"] > METADATA_VERSION:
        raise DataError(
            f"{path}: metadata version {entry.get('v')!r}, this t2igan reads up to {METADATA_VERSION}. Upgrade t2igan."
        )
    return entry
