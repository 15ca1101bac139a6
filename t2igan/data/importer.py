"""A folder of images with captions -> tar shards. Not a filter: it leaves out only what cannot be used."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor

from t2igan.data.folder import Listed, list_folder
from t2igan.data.pixels import RGB, BadSampleError, is_rotated, is_transparent, open_picture, to_rgb
from t2igan.data.samples import MAX_BYTES, Tally
from t2igan.data.writer import PER_SHARD, ShardWriter
from t2igan.errors import DataError, UsageError

SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
LOSSLESS_UP_TO = 128  # pixels; JPEG's blocks are visible to a discriminator in small images
JPEG_QUALITY = 95
MAX_PIXELS = 178_956_970  # Pillow's own limit
DEFAULT_SPLIT = "train"  # of rows without one, where others have one


def import_folder(
    folder: str | Path,
    out: str | Path,
    *,
    size: int | None = None,
    background: str = "white",
    per_shard: int = PER_SHARD,
    max_pixels: int = MAX_PIXELS,
) -> dict[str, Any]:
    """Write a folder of images (jpg, png, webp) with captions as shards.

    Captions come from metadata.jsonl (file_name, text: a string or a list, optional split and labels), else from
    the lines of the .txt with the image's name. Images are copied byte for byte unless they must change: to be
    shrunk, turned upright, or laid over `background`.

    Args:
        folder: searched with its sub-folders; links that lead out of it are not followed.
        out: new or empty folder; with splits, each goes to a folder of its name below it.
        size: shrink the shorter side to this; smaller images are skipped. None keeps the size.
        background: colour under transparent pixels, as Pillow names it; recorded with the data set.
        per_shard: samples a shard.
        max_pixels: larger images are skipped by their header.

    Returns:
        {"out", "samples", "shards", "bytes", "skipped": reason -> count, "splits": name -> samples}.

    Raises:
        UsageError: if an option cannot be right.
        DataError: if the folder is missing or holds nothing usable, or `out` cannot be used.
    """
    matte = _rgb(background)
    if per_shard < 1 or (size is not None and size < 8):
        raise UsageError(f"size = {size}, per_shard = {per_shard}: at least 8 and 1.")
    folder, out = Path(folder), Path(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{out}: lies inside {folder}, which is being read. Choose an --out outside of it.")
    tally, listed = _list(folder)
    settings = {"made_by": "data import", "folder": folder.name, "size": size, "background": background,
                "per_shard": per_shard, "max_pixels": max_pixels}  # fmt: skip
    splits = _by_split(listed)
    writers: dict[str, ShardWriter] = {}
    with ExitStack() as stack:
        for split in splits:
            writer = ShardWriter(out / split, settings=settings | {"split": split}, per_shard=per_shard)
            writers[split] = stack.enter_context(writer)
        for split, images in splits.items():
            for image in images:
                _write(image, writers[split], tally, size=size, matte=matte, max_pixels=max_pixels)
        if not any(writer.samples for writer in writers.values()):
            raise DataError(f"{folder}: none of {tally.tried} images can be used: {tally.reasons()}.")
    return _report(out, writers, tally)


def _rgb(background: str) -> RGB:
    try:
        red, green, blue, *_ = ImageColor.getrgb(background)
    except ValueError as error:
        raise UsageError(f"background {background!r} is no colour. Write a name or #rrggbb.") from error
    return red, green, blue


def _list(folder: Path) -> tuple[Tally, list[Listed]]:
    """The usable images of the folder, and the count of the others."""
    tally, usable = Tally(), []
    for found in list_folder(folder):
        tally.tried += 1
        if isinstance(found, Listed):
            usable.append(found)
        else:
            tally.skip(f"{folder}/{found[0]}", found[1])
    if not usable:
        reasons = tally.reasons() or "there is no jpg, png or webp file"
        raise DataError(
            f"{folder}: no image with a caption: {reasons}. Put a.txt beside a.png, or write metadata.jsonl."
        )
    return tally, usable


def _by_split(listed: Sequence[Listed]) -> dict[str, list[Listed]]:
    """Split name -> its images; one nameless split where no row has one."""
    default = DEFAULT_SPLIT if any(image.split for image in listed) else ""
    splits: dict[str, list[Listed]] = {}
    for image in listed:
        splits.setdefault(image.split or default, []).append(image)
    return splits


def _write(
    image: Listed, writer: ShardWriter, tally: Tally, *, size: int | None, matte: RGB, max_pixels: int
) -> None:
    """Write one image, or count why not."""
    try:
        members, fields = _convert(_read(image.path), size=size, matte=matte, max_pixels=max_pixels)
    except BadSampleError as problem:
        tally.skip(str(image.path), problem)
        return
    fields |= {"key": writer.next_key(), "caption": image.captions[0], "captions": list(image.captions)}
    fields |= {"file_name": image.name} | ({"labels": list(image.labels)} if image.labels else {})
    text = json.dumps(fields, ensure_ascii=False)
    writer.write(members | {"txt": image.captions[0].encode(), "json": text.encode()})


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES["jpg"]:
            raise BadSampleError("file too large", f"{path.stat().st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadSampleError("cannot be read", str(error.strerror)) from error


def _convert(
    data: bytes, *, size: int | None, matte: RGB, max_pixels: int
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The image member and what is known about it."""
    picture = open_picture(data, max_pixels=max_pixels)
    fields: dict[str, Any] = {"original_width": picture.width, "original_height": picture.height}
    if is_transparent(picture):
        fields["matte"] = list(matte)
    if size is not None and min(picture.size) < size:
        raise BadSampleError(f"smaller than {size} px", f"{picture.width} x {picture.height}")
    if _is_plain(picture) and size in (None, min(picture.size)):
        members, final = {SUFFIXES[str(picture.format)]: data}, picture
    else:
        final = _shrink(to_rgb(picture, matte=matte), size)
        members = _encode(final, is_lossless=picture.format == "PNG" or min(final.size) <= LOSSLESS_UP_TO)
    return members, fields | {"width": final.width, "height": final.height}


def _is_plain(picture: Image.Image) -> bool:
    """Whether every reader shows the file alike: 8 bits, opaque, upright, one frame."""
    is_simple = picture.format in SUFFIXES and picture.mode in ("RGB", "L")
    is_still = not getattr(picture, "is_animated", False)
    return is_simple and is_still and not is_transparent(picture) and not is_rotated(picture)


def _shrink(picture: Image.Image, size: int | None) -> Image.Image:
    """Shrink so that the shorter side is `size`, keeping the aspect ratio."""
    side = min(picture.size)
    if size is None or side == size:
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


def _report(out: Path, writers: dict[str, ShardWriter], tally: Tally) -> dict[str, Any]:
    totals = {key: sum(getattr(w, key) for w in writers.values()) for key in ("samples", "shards", "bytes")}
    splits = {split: writer.samples for split, writer in writers.items() if split}
    return {"out": str(out), **totals, "skipped": dict(tally.bad.most_common()), "splits": splits}
