"""Examples -> thumbnails in HTML, read from the tars. The files may be hostile: what cannot be shown says why.

Captions are escaped; pictures are decoded by t2igan.data.pixels and stored anew, small.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from t2igan.curate.looks.picking import Example, Sheet
from t2igan.curate.score_set import ScoreSet
from t2igan.data.pixels import BadSampleError, open_picture, to_rgb
from t2igan.data.samples import IMAGE_SUFFIXES, read_captions
from t2igan.data.tars import Salvage, read_members, salvage_tar
from t2igan.errors import DataError

MAX_PIXELS = 178_956_970  # as in scoring
SIDES = ((500, 112), (1000, 88), (10**9, 64))  # thumbnails up to -> their longer side in pixels
QUALITY = 62  # of WebP: 2 kB each, so that a page of 500 stays at 1.5 MB
MAX_CAPTION = 240  # characters
Place = tuple[str, int]  # shard, row


@dataclass(frozen=True)
class Thumbnail:
    """What is shown of one sample."""

    image: bytes  # WebP; empty = it cannot be shown
    caption: str
    problem: str = ""


def read_thumbnails(found: ScoreSet, examples: Iterable[Example], side: int) -> dict[Place, Thumbnail]:
    """Read samples, each shard once.

    Args:
        found: the shards.
        examples: which samples, repeats allowed.
        side: longer side in pixels; smaller pictures stay as they are.
    """
    by_shard: dict[str, dict[int, Example]] = {}
    for example in examples:
        by_shard.setdefault(example.shard, {})[example.row] = example
    thumbnails: dict[Place, Thumbnail] = {}
    for stem, wanted in sorted(by_shard.items()):
        shard = found.shards[stem]
        try:
            with shard.folder.fetched(shard.name) as path:
                salvage = salvage_tar(path)
                thumbnails |= {(stem, row): _read(path, salvage, wanted[row], side) for row in sorted(wanted)}
        except DataError as error:
            thumbnails |= {(stem, row): Thumbnail(b"", "", str(error)) for row in wanted}
    return thumbnails


def _read(path: Path, salvage: Salvage, example: Example, side: int) -> Thumbnail:
    if example.row >= len(salvage.entries) or salvage.entries[example.row].key != example.key:
        return Thumbnail(b"", "", "the shard changed since it was scored")
    caption = ""
    try:
        members = read_members(path, salvage.entries[example.row])
        with suppress(BadSampleError):
            caption = read_captions(members)[0]
        return Thumbnail(shrink(members, side), caption)
    except BadSampleError as problem:
        return Thumbnail(b"", caption, problem.reason)


def shrink(members: Mapping[str, bytes], side: int) -> bytes:
    """The image member as a small WebP.

    Raises:
        BadSampleError: if there is none, or it does not decode.
    """
    suffix = next((suffix for suffix in IMAGE_SUFFIXES if suffix in members), None)
    if suffix is None:
        raise BadSampleError("no image member")
    picture = to_rgb(open_picture(members[suffix], max_pixels=MAX_PIXELS))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    picture.save(target, "WEBP", quality=QUALITY)
    return target.getvalue()


def side_for(sheets: Sequence[Sheet]) -> int:
    """The longer side of thumbnails with which a page of these sheets stays under 3 MB."""
    total = sum(len(group.examples) for sheet in sheets for group in sheet.groups)
    return next(side for up_to, side in SIDES if total <= up_to)


def sheet_html(sheet: Sheet, thumbnails: Mapping[Place, Thumbnail]) -> str:
    """The groups of a sheet, one under the other."""
    parts = [f"<p>{escape(sheet.about)}</p>"]
    for group in sheet.groups:
        tiles = "".join(_tile(e, thumbnails[e.shard, e.row]) for e in group.examples)
        heading = f"<h4>{escape(group.title)}</h4>" if group.title else ""
        parts.append(f"{heading}<div class='tiles'>{tiles}</div>" if tiles else f"{heading}<p>none</p>")
    return "".join(parts)


def _tile(example: Example, thumbnail: Thumbnail) -> str:
    caption = thumbnail.caption[:MAX_CAPTION] + "…" * (len(thumbnail.caption) > MAX_CAPTION)
    picture = f"<div class='gone'>{escape(thumbnail.problem)}</div>"
    if thumbnail.image:
        data = base64.b64encode(thumbnail.image).decode()
        picture = f"<img src='data:image/webp;base64,{data}' alt=''>"
    where = escape(f"{example.shard} {example.key}")
    words = f"<b>{escape(example.note)}</b> {escape(caption)}"
    return f"<figure title='{where}'>{picture}<figcaption>{words}</figcaption></figure>"
