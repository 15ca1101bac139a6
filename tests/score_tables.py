"""Score tables for tests: by hand, and random ones. Not a fixture: tests call it with their own columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from t2igan.curate.pool import Load
from t2igan.curate.table import FACTS, Origin, ScoreTable, Source, make_table, read_table, to_bytes

L14 = "clip:ViT-L-14/openai"
B32 = "clip:ViT-B-32/openai"
USUAL: dict[str, Any] = {"problem": "", "width": 640, "height": 480, "bytes": 50_000, "format": "jpg", "words": 6, "chars": 30,
                         "letters": 25, "repetition": 0.0, "captions": 1, "decoded": True}  # fmt: skip


def uid_of(name: str) -> str:
    """32 hex digits."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def hash_of(name: str) -> int:
    """64 bits."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16)


def table_of(
    count: int, shard: str = "00000", *, weights: Mapping[str, str] | None = None, **columns: Sequence[Any]
) -> ScoreTable:
    """A table of `count` usual samples, with columns replaced or added (`clip_` stands for `clip:ViT-L-14/openai`)."""
    names = [f"{shard}-{i}" for i in range(count)]
    rows: dict[str, Any] = {name: [value] * count for name, value in USUAL.items()}
    rows |= {"key": names, "uid": [uid_of(name) for name in names]}
    rows |= {f"{kind}_hash": [hash_of(f"{kind} {name}") for name in names] for kind in ("caption", "image")}
    rows |= {
        {"clip_": L14, "b32": B32, "v2": "aesthetic:v2"}.get(name, name): found
        for name, found in columns.items()
    }
    origins = {name: _origin(name, (weights or {}).get(name, "f00d")) for name in rows if name not in FACTS}
    return make_table(rows, Source(f"{shard}.tar", 10_240, uid_of(shard) * 2), origins)


def _origin(name: str, weights: str) -> Origin:
    kind, _, model = name.partition(":")
    return Origin(kind, model, weights)


def random_table(count: int, seed: int, shard: str = "00000") -> ScoreTable:
    """A table with every column, problems, unknown scores, ties and duplicates."""
    rng = np.random.default_rng(seed)
    side = rng.integers(16, 128, (2, count)) * 8
    motif = rng.integers(0, max(1, count // 2), count)

    def scores(mean: float, spread: float) -> list[float | None]:
        found = np.round(rng.normal(mean, spread, count), 2)
        return [None if gone else float(x) for x, gone in zip(found, rng.random(count) < 0.05, strict=True)]

    return table_of(
        count, shard,
        uid=[uid_of(f"{seed} {i}") for i in range(count)],
        problem=rng.choice(["", "", "", "", "", "", "", "", "no caption", "does not decode"], count).tolist(),
        width=side[0], height=side[1], bytes=rng.integers(1000, 90_000, count),
        words=rng.integers(0, 12, count), chars=rng.integers(0, 60, count), letters=rng.integers(0, 4, count),
        repetition=(rng.integers(0, 10, count) / 10).astype(np.float32),
        image_hash=[hash_of(f"image {m}") for m in motif], caption_hash=[hash_of(f"caption {m}") for m in rng.permutation(motif)],
        phash=[hash_of(f"phash {m}") ^ (1 << int(bit)) for m, bit in zip(rng.permutation(motif), rng.integers(0, 64, count), strict=True)],
        language=rng.choice(["en", "de", "unknown", None], count).tolist(),
        clip_=scores(0.25, 0.05), v2=scores(5, 1), watermark=scores(0.4, 0.2), nsfw=scores(0.3, 0.2),
    )  # fmt: skip


def loader(tables: Mapping[str, ScoreTable]) -> Load:
    """Reads tables as from files."""
    files = {name: to_bytes(table) for name, table in tables.items()}
    return lambda shard, columns: read_table(files[shard], f"{shard}.scores.parquet", columns)
