"""The embedded shapes as ordinary tar shards, so that they travel the same road as real pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from t2igan.data.captions import full_caption
from t2igan.data.config import ShapesConfig
from t2igan.data.grammar import attributes, scene_at
from t2igan.data.render import render
from t2igan.data.shapes import ShapesStream
from t2igan.data.writer import PER_SHARD, ShardWriter
from t2igan.errors import UsageError


def write_shapes(
    out: str | Path,
    *,
    n: int,
    resolution: int = 32,
    seed: int = 0,
    config: ShapesConfig | None = None,
    has_masks: bool = False,
    per_shard: int = PER_SHARD,
) -> dict[str, Any]:
    """Write the first `n` samples of a stream: PNG, caption, and a .json with attributes and labels.

    Args:
        out: a new or empty folder.
        n: number of samples.
        resolution: side of the images in pixels, 16 or more.
        seed: seed of the stream.
        config: which scenes; default: training's own, singles and pairs of seen combinations.
        has_masks: also write mask.png: 0 background, 1 slot a, 2 slot b, where a thing covers half a pixel or more.
        per_shard: samples a shard.

    Returns:
        {"out", "samples", "shards", "bytes"}.

    Raises:
        UsageError: if a number is out of range.
        DataError: if the folder holds something else or cannot be written.
    """
    if n < 1 or resolution < 16 or per_shard < 1:
        raise UsageError(
            f"n = {n}, resolution = {resolution}, per_shard = {per_shard}: at least 1, 16 and 1."
        )
    config = config or ShapesConfig()
    stream = ShapesStream(config, resolution=resolution, seed=seed)
    settings = {"made_by": "data shapes", "n": n, "resolution": resolution, "seed": seed, "masks": has_masks,
                "per_shard": per_shard, **config.model_dump()}  # fmt: skip
    with ShardWriter(Path(out), settings=settings, per_shard=per_shard) as writer:
        for index in range(n):
            writer.write(_members(stream, index, key=writer.next_key(), has_mask=has_masks))
    return {"out": str(out), "samples": writer.samples, "shards": writer.shards, "bytes": writer.bytes}


def _members(stream: ShapesStream, index: int, *, key: str, has_mask: bool) -> dict[str, bytes]:
    sample = stream.sample(index)
    scene = scene_at(stream.seed, index, stream.config)
    fields = {
        "key": key,
        "caption": sample.caption,
        "full_caption": full_caption(scene),
        "attributes": attributes(scene),
        "labels": list(sample.labels),
        "width": stream.resolution,
        "height": stream.resolution,
    }
    members = {"png": _png(sample.image), "txt": sample.caption.encode(), "json": json.dumps(fields).encode()}
    if not has_mask:
        return members
    _, masks = render(scene, stream.resolution)
    numbered = (masks >= 128) * np.arange(1, len(masks) + 1, dtype=np.uint8)[:, None, None]
    return members | {"mask.png": _png(numbered.max(0))}


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
