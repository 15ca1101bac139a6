"""The captions file of MS-COCO, read strictly. No text or picture of MS-COCO is shipped: users bring their own."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from t2igan.data.fileset import is_picture
from t2igan.errors import DataError

MAX_BYTES = 2**30  # captions_train2017.json, the largest, has 0.1 GB


@dataclass(frozen=True)
class Annotations:
    """Images of a split with their captions."""

    file: Path
    sha256: str
    names: dict[int, str]  # image id -> file name, by rising id
    captions: dict[
        int, list[tuple[int, str]]
    ]  # image id -> (annotation id, caption), by rising ids; at least one
    num_blank: int  # captions without a letter, which are left out

    @property
    def num_captions(self) -> int:
        """Of all images."""
        return sum(map(len, self.captions.values()))


def read_annotations(coco: Path, split: str) -> Annotations:
    """Read annotations/captions_SPLIT.json of a folder.

    Raises:
        DataError: if it is missing, is another file than captions of MS-COCO, or contradicts itself.
    """
    path = coco / "annotations" / f"captions_{split}.json"
    data = _read(path)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is no JSON ({error}). Fetch annotations_trainval of MS-COCO again."
        ) from error
    images, notes = _lists(content, path)
    names = _names(images, path)
    captions, num_blank = _captions(notes, names, path)
    bare = [image for image in names if image not in captions]
    if bare:
        raise DataError(
            f"{path}: {len(bare)} images have no caption, image {bare[0]} for one. Fetch it again."
        )
    return Annotations(path, hashlib.sha256(data).hexdigest(), names, captions, num_blank)


def check_pictures(annotations: Annotations, folder: Path) -> None:
    """Make sure that a folder holds exactly the pictures that the captions are of.

    Raises:
        DataError: if one is missing, or there is one too many.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder. Unpack {folder.name}.zip of MS-COCO beside annotations/.")
    there = {path.name for path in folder.iterdir() if is_picture(path.name)}
    listed = set(annotations.names.values())
    for names, what in ((listed - there, "are missing"), (there - listed, "are not in the captions file")):
        if names:
            raise DataError(
                f"{folder}: {len(names)} pictures {what}, {min(names)} for one; {annotations.file.name} lists "
                f"{len(listed)}. The reference must be the whole split and nothing else."
            )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: has more than {MAX_BYTES} bytes, so it is no captions file of MS-COCO.")
        return path.read_bytes()
    except OSError as error:
        others = sorted(other.name for other in path.parent.glob("*.json"))
        found = f"; there are {', '.join(others[:4])}" if others else ""
        raise DataError(
            f"{path}: cannot be read ({error.strerror}){found}. --coco is the folder that holds annotations/ and the "
            f"pictures' folder, as MS-COCO unpacks."
        ) from error


def _lists(content: Any, path: Path) -> tuple[list[Any], list[Any]]:
    images, notes = (
        content.get(key) if isinstance(content, dict) else None for key in ("images", "annotations")
    )
    if not (isinstance(images, list) and isinstance(notes, list) and images and notes):
        raise DataError(f"{path}: has no lists `images` and `annotations`, so it is no file of MS-COCO.")
    if not any(isinstance(note, dict) and "caption" in note for note in notes):
        raise DataError(
            f"{path}: its annotations have no captions; boxes and key points are in other files. "
            "Take captions_val2014.json or captions_val2017.json."
        )
    return images, notes


def _names(images: list[Any], path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, image in enumerate(images):
        image_id = _field(image, "id", int, f"{path}: image {number}")
        name = _field(image, "file_name", str, f"{path}: image {number}")
        if PurePosixPath(name).name != name or "\\" in name or "\0" in name or not is_picture(name):
            raise DataError(f"{path}: image {number}: {name!r:.60} is no file name of a picture.")
        if image_id in names:
            raise DataError(f"{path}: image id {image_id} occurs twice. Fetch the file again.")
        names[image_id] = name
    (name, times), *_ = Counter(names.values()).most_common(1)
    if times > 1:
        raise DataError(f"{path}: {times} images are called {name!r:.60}. Fetch the file again.")
    return dict(sorted(names.items()))


def _captions(
    notes: list[Any], names: dict[int, str], path: Path
) -> tuple[dict[int, list[tuple[int, str]]], int]:
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    seen: set[int] = set()
    for number, note in enumerate(notes):
        where = f"{path}: annotation {number}"
        image, own = _field(note, "image_id", int, where), _field(note, "id", int, where)
        caption = _field(note, "caption", str, where)
        if image not in names:
            raise DataError(f"{where}: describes image {image}, which is not listed. Fetch the file again.")
        if own in seen:
            raise DataError(f"{where}: annotation id {own} occurs twice. Fetch the file again.")
        seen.add(own)
        if caption.strip():
            found[image].append((own, caption))
    by_id = {image: sorted(own) for image, own in sorted(found.items())}
    return by_id, len(notes) - sum(map(len, by_id.values()))


def _field(row: Any, key: str, kind: type, where: str) -> Any:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: its {key!r} is {value!r:.40}, not of type {kind.__name__}.")
    return value
