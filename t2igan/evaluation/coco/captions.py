"""Which captions of MS-COCO a protocol draws, as ids that anybody can check. Not how they are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2igan.errors import DataError
from t2igan.evaluation.coco.annotations import Annotations
from t2igan.evaluation.coco.protocols import Protocol

LIST_SEED = 0


@dataclass(frozen=True)
class Choice:
    """A caption and whose it is."""

    image_id: int
    annotation_id: int
    caption: str


def full_list(annotations: Annotations) -> list[Choice]:
    """Every image once, with one of its captions; protocols take the first so many.

    `RandomState(0).permutation` of the images, by rising id; then for each in that order `randint` of its captions, by
    rising annotation id. NumPy keeps both streams the same for ever.
    """
    draw, images = np.random.RandomState(LIST_SEED), list(annotations.names)
    order = draw.permutation(len(images))
    return [_pick(annotations, images[at], draw) for at in order]


def choose(annotations: Annotations, protocol: Protocol, *, n: int, seed: int) -> list[Choice]:
    """The captions of a protocol, in the order in which they are drawn.

    Args:
        annotations: of the protocol's split.
        protocol: says how.
        n: how many.
        seed: of draws with replacement.

    Raises:
        DataError: if there are not enough images.
    """
    if protocol.captions == "listed":
        if n > len(annotations.names):
            raise DataError(
                f"{annotations.file}: has {len(annotations.names)} images, {protocol.id} takes {n} captions of as many; "
                f"the true file has {protocol.num_images} images. Take that one, or a smaller --count."
            )
        return full_list(annotations)[:n]
    draw = np.random.RandomState(seed)
    own = [_pick(annotations, image, draw) for image in annotations.names]
    return [own[at] for at in draw.randint(0, len(own), n)]


def ids_hash(choices: Sequence[Choice]) -> str:
    """SHA-256 of a line `IMAGE_ID ANNOTATION_ID` for each."""
    lines = "".join(f"{choice.image_id} {choice.annotation_id}\n" for choice in choices)
    return hashlib.sha256(lines.encode()).hexdigest()


def one_line(caption: str) -> str:
    """A caption as a text file holds it; some of MS-COCO's end in a line break."""
    return " ".join(caption.split())


def _pick(annotations: Annotations, image: int, draw: np.random.RandomState) -> Choice:
    captions = annotations.captions[image]
    return Choice(image, *captions[int(draw.randint(len(captions)))])
