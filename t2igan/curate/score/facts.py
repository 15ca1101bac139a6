"""What is known of a sample without decoding its image: header, caption, hashes, scores that the data carries."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from t2igan.curate.measures import captions as text
from t2igan.curate.measures.carried import carried, uid
from t2igan.data.pixels import BadSampleError, read_header
from t2igan.data.samples import IMAGE_SUFFIXES, read_captions
from t2igan.data.tars import Salvage, read_members

ORIENTATION = 0x0112  # EXIF
ON_ITS_SIDE = (5, 6, 7, 8)
SUFFIX_OF = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp"}
CUT_OFF = "cut off in the tar"
Row = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """One sample as it lies in the tar."""

    members: Mapping[str, bytes]
    fields: Mapping[str, Any]  # of its .json, or of its row in the parquet beside the shard
    captions: tuple[str, ...]  # cleaned; none left = the sample has a problem

    @property
    def image(self) -> bytes:
        """The image member; empty if there is none."""
        return next((self.members[suffix] for suffix in IMAGE_SUFFIXES if suffix in self.members), b"")


def look_at(path: Path, salvage: Salvage, number: int, beside: Mapping[str, Row]) -> tuple[Look, str]:
    """Read sample `number`; its problem is "" if there is none yet.

    Args:
        path: the tar.
        salvage: its index.
        number: which sample.
        beside: key -> row of the parquet that img2dataset writes beside a shard; may be empty.
    """
    entry = salvage.entries[number]
    if number in salvage.cut:
        return Look({}, {}, ()), CUT_OFF
    try:
        members = read_members(path, entry)
    except BadSampleError as problem:
        return Look({}, {}, ()), problem.reason
    fields = _fields(members, beside.get(entry.key, {}))
    try:
        cleaned = tuple(c for caption in read_captions(members) if (c := text.clean(caption)))
        problem = "" if cleaned else "no caption"
    except BadSampleError as error:
        cleaned, problem = (), error.reason
    return Look(members, fields, cleaned), problem


def facts_of(look: Look, problem: str, key: str, max_pixels: int) -> Row:
    """A row of the score table, without measured columns; scores that the data carries are in it."""
    image = look.image
    if not image:
        problem = problem or "no image member"
    size, kind, bad_header = _header(image, max_pixels)
    problem = problem or bad_header
    caption = look.captions[0] if look.captions else ""
    said = text.facts(caption)
    return {
        "key": key,
        "uid": uid(look.fields, image, caption),
        "problem": problem,
        "width": size[0],
        "height": size[1],
        "bytes": len(image),
        "format": kind,
        "words": said.words,
        "chars": said.chars,
        "letters": said.letters,
        "repetition": said.repetition,
        "captions": len(look.captions),
        "caption_hash": said.hash,
        "image_hash": int.from_bytes(hashlib.sha256(image).digest()[:8], "big"),
        "decoded": False,
    } | carried(look.fields)


def rows_beside(data: bytes) -> dict[str, Row]:
    """Key -> row of img2dataset's parquet; nothing of another program's."""
    try:
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
    except (OSError, pa.ArrowException, ValueError):
        return {}
    return {str(row["key"]): row for row in rows if "key" in row}


def _fields(members: Mapping[str, bytes], beside: Row) -> Mapping[str, Any]:
    """The .json's fields; those of the parquet where the .json lacks them."""
    try:
        fields = json.loads(members.get("json", b"{}"))
    except (ValueError, RecursionError):
        fields = {}
    return beside | (fields if isinstance(fields, dict) else {})


def _header(image: bytes, max_pixels: int) -> tuple[tuple[int, int], str, str]:
    """Upright size, format, and what is wrong with the header."""
    if not image:
        return (0, 0), "", ""
    try:
        picture = read_header(io.BytesIO(image), max_pixels=max_pixels)
    except BadSampleError as problem:
        return (0, 0), "", problem.reason
    return _upright(picture), SUFFIX_OF[str(picture.format)], ""


def _upright(picture: Image.Image) -> tuple[int, int]:
    try:
        on_its_side = picture.getexif().get(ORIENTATION, 1) in ON_ITS_SIDE
    except Exception:  # a broken EXIF block; decoding will say so
        on_its_side = False
    width, height = picture.size
    return (height, width) if on_its_side else (width, height)
