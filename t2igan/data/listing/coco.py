"""Captions in one JSON: COCO's images and annotations, or the dataset.json of StyleGAN. Not JSON lines."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from t2igan.data.fileset import FileSet
from t2igan.data.listing.row import Row, Rows, lenient_text, read_caption_file
from t2igan.data.pixels import BadSampleError
from t2igan.errors import DataError


def read_json(files: FileSet, name: str) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: if it cannot be read or is no JSON.
    """
    try:
        return json.loads(lenient_text(read_caption_file(files, name)))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name}: is no JSON ({error}). Mend it, or name another file with --captions."
        ) from error


def is_coco(content: Any) -> bool:
    """Whether a JSON has images, and annotations with captions (COCO's boxes and outlines have none)."""
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        return False
    notes = content.get("annotations")
    return isinstance(notes, list) and any(isinstance(n, dict) and "caption" in n for n in notes)


def coco_rows(content: dict[str, Any], name: str) -> Rows:
    """A row an image with all its captions; then the captions of images that are not listed."""
    captions: dict[Any, list[Any]] = defaultdict(list)
    for number, note in enumerate(content["annotations"]):
        try:
            image_id, caption = note["image_id"], note["caption"]
            captions[image_id].append(caption)
        except (KeyError, TypeError) as error:
            yield f"{name}: annotation {number}", BadSampleError("unreadable row", f"{error!r:.80}")
    for number, image in enumerate(content["images"]):
        where = f"{name}: image {number}"
        try:
            yield Row(str(image["file_name"]), captions.pop(image["id"], None), where)
        except (KeyError, TypeError) as error:
            yield where, BadSampleError("unreadable row", f"{error!r:.80}")
    for image_id in captions:
        yield f"{name}: image_id {image_id!r:.40}", BadSampleError("no such image in the JSON")


def is_stylegan(content: Any) -> bool:
    """Whether a dataset.json has captions for labels; numbers are classes, which are no captions."""
    labels = content.get("labels") if isinstance(content, dict) else None
    pairs = labels.items() if isinstance(labels, dict) else labels or []
    return isinstance(labels, dict | list) and any(_is_captioned(pair) for pair in pairs)


def _is_captioned(pair: Any) -> bool:
    is_pair = isinstance(pair, list | tuple) and len(pair) == 2
    return is_pair and (
        isinstance(pair[1], str) or (isinstance(pair[1], list) and any(isinstance(t, str) for t in pair[1]))
    )


def stylegan_rows(content: dict[str, Any], name: str) -> Rows:
    """A row for each of `labels`: [[file, caption], ...]."""
    labels = content["labels"]
    for number, pair in enumerate(labels.items() if isinstance(labels, dict) else labels):
        where = f"{name}: label {number}"
        if isinstance(pair, list | tuple) and len(pair) == 2:
            yield Row(str(pair[0]), pair[1], where)
        else:
            yield where, BadSampleError("unreadable row", "expected [file, caption]")
