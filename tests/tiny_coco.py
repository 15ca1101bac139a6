"""A small data set in MS-COCO's format, made of shapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes import ShapesStream

COUNT = 48


def write_coco(root: Path) -> Path:
    """48 pictures of 56 x 40 or 40 x 44 pixels, with 2 to 5 captions each, as val2014 and as val2017."""
    stream = ShapesStream(ShapesConfig(), resolution=40, seed=5)
    images, notes = [], []
    for number in range(COUNT):
        image_id, sample = 1000 - 7 * number, stream.sample(number)
        wide = np.pad(
            sample.image, ((0, 0), (8, 8), (0, 0)) if number % 2 else ((2, 2), (0, 0), (0, 0)), "edge"
        )
        for split in ("val2014", "val2017"):
            (root / split).mkdir(exist_ok=True)
            Image.fromarray(wide).save(root / split / f"{image_id:012d}.jpg", quality=95)
        images.append({"id": image_id, "file_name": f"{image_id:012d}.jpg", "height": 1, "width": 1})
        texts = [
            sample.caption,
            *(f"{sample.caption}, {word}\n" for word in ("again", "seen", "drawn", "so")),
        ]
        notes += [
            {"id": 9000 - 5 * number - k, "image_id": image_id, "caption": text}
            for k, text in enumerate(texts[: 2 + number % 4])
        ]
    (root / "annotations").mkdir()
    for split in ("val2014", "val2017"):
        content = {"info": {}, "images": images, "annotations": notes}
        (root / "annotations" / f"captions_{split}.json").write_text(json.dumps(content))
    return root
