"""One sample of the input -> the members of its squares, under one key in all sizes. Finds no samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2igan.curate.bucket.picture import Cut, Square, cut_squares
from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import IMAGE_SUFFIXES, MAX_BYTES, read_captions
from t2igan.data.tars import Salvage, read_members

OURS = (
    "t2igan"  # the key of a .json under which what we know stands; `sha256` beside it is of the stored image
)
MAX_KEY = 80  # characters; a tar's header holds 100
CUT_OFF = "cut off in the tar"


@dataclass(frozen=True)
class Prepared:
    """A sample, decoded once."""

    cut: Cut
    text: bytes | None  # the .txt, as it is
    fields: dict[str, Any]  # of the .json


def prepare(path: Path, salvage: Salvage, number: int, *, sizes: Iterable[int], max_pixels: int) -> Prepared:
    """Read sample `number` of a tar and cut it.

    Raises:
        BadSampleError: if a training run could not use it at any size.
    """
    if number in salvage.cut:
        raise BadSampleError(CUT_OFF)
    members = read_members(path, salvage.entries[number])
    image = next((members[suffix] for suffix in IMAGE_SUFFIXES if suffix in members), None)
    if image is None:
        raise BadSampleError("no image member")
    read_captions(members)  # which also makes sure that the .json can be read
    fields = json.loads(members.get("json", b"{}"))
    cut = cut_squares(image, tuple(sizes), max_pixels=max_pixels)
    known = dict(fields) if isinstance(fields, dict) else {}
    ours = known.get(OURS)
    cut_from = {"sha256": hashlib.sha256(image).hexdigest(), "size": list(cut.original)}
    cut_from |= {"turned": True} if cut.is_turned else {}
    known[OURS] = (ours if isinstance(ours, dict) else {}) | {"cut_from": cut_from}
    return Prepared(cut, members.get("txt"), known)


def output_members(
    sample: Prepared, square: Square, size: int, origin: Mapping[str, str]
) -> dict[str, bytes]:
    """Suffix -> bytes of one square.

    Args:
        sample: what it is cut from.
        square: the image.
        size: its side in pixels.
        origin: its key, and source_shard and source_key, which stay as they are where an earlier step wrote them.

    Raises:
        BadSampleError: if what is known of the sample is more than a reader takes.
    """
    fields = dict(origin) | sample.fields | {"key": origin["key"], "width": size, "height": size}
    fields |= {"crop_box": list(sample.cut.crop_box), "sha256": hashlib.sha256(square.data).hexdigest()}
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
    if len(text) > MAX_BYTES["json"]:
        raise BadSampleError(".json too large", f"{len(text)} bytes, at most {MAX_BYTES['json']}")
    caption = {} if sample.text is None else {"txt": sample.text}
    return {square.suffix: square.data} | caption | {"json": text}


def output_keys(keys: Iterable[str]) -> list[str]:
    """Keys that are safe as names and differ from each other: those of the input, wherever they are.

    A repeated one ends in -1, -2, ...; one with `..`, or that is absolute, long or not printable ASCII, is hashed.
    """
    given = [_safe(key) for key in keys]
    taken, found = set(given), []
    seen: dict[str, int] = {}
    for key in given:
        name, number = key, seen.get(key, 0)
        while number and (name := f"{key}-{number}") in taken:
            number += 1
        seen[key] = number + 1
        taken.add(name)
        found.append(name)
    return found


def _safe(key: str) -> str:
    is_plain = key.isascii() and key.isprintable() and len(key) <= MAX_KEY and "\\" not in key
    if is_plain and not key.startswith("/") and ".." not in key.split("/"):
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]
