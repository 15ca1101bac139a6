"""Scores and ids that data brings along (LAION, COYO, DataComp) -> our columns. No model runs, and nothing is judged.

Sources of the names: img2dataset's dataset_examples and the data sets' own pages. In LAION's sets `aesthetic` is the
first predictor's score (laion-aesthetic, laion-art), and `AESTHETIC_SCORE` the second's (improved_aesthetics_*).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

B32, L14 = "clip:ViT-B-32/openai", "clip:ViT-L-14/openai"
COLUMNS = {
    "clip_b32_similarity_score": B32,  # DataComp
    "clip_l14_similarity_score": L14,
    "clip_similarity_vitb32": B32,  # COYO
    "clip_similarity_vitl14": L14,
    "nsfw_score_opennsfw2": "nsfw",
    "nsfw_score_gantman": "nsfw",
    "watermark_score": "watermark",
    "aesthetic_score_laion_v2": "aesthetic:v2",
    "similarity": B32,  # LAION
    "punsafe": "nsfw",
    "pwatermark": "watermark",
    "AESTHETIC_SCORE": "aesthetic:v2",
    "aesthetic": "aesthetic:v1",
}
"""Column of the data -> ours; of several that mean the same, the first with a sound value counts."""
RANGES = {"clip": (-1, 1), "aesthetic": (-10, 20), "watermark": (0, 1), "nsfw": (0, 1)}
"""Kind -> what a sound value can be; -1 for "not computed" and percents fall outside."""
UID = re.compile(r"[0-9a-f]{32}")


def carried(fields: Mapping[str, Any]) -> dict[str, float]:
    """The scores of one sample, by our names; what is missing, no number, not finite or absurd is absent.

    Args:
        fields: the sample's .json, or its row of the parquet beside the shard.
    """
    return {column: float(fields[name]) for column, name in sources(fields).items()}


def sources(fields: Mapping[str, Any]) -> dict[str, str]:
    """Our column -> the data's column that `carried` takes it from."""
    found: dict[str, str] = {}
    for name, column in COLUMNS.items():
        if column not in found and _is_sound(fields.get(name), column) and not _is_foreign(name, fields):
            found[column] = name
    return found


def info(column: str, names: Iterable[str] = ()) -> dict[str, str]:
    """Where a column's values come from, as the score table states it.

    Args:
        column: ours, such as "clip:ViT-B-32/openai".
        names: the data's columns that gave them, as `sources` tells, in any order and number; none = not told.
    """
    kind, _, model = column.partition(":")
    source = f"column {' or '.join(sorted(set(names)))}" if names else "the data"
    return {"kind": kind, "model": model, "weights": "", "source": source}


def uid(fields: Mapping[str, Any], image: bytes, caption: str) -> str:
    """The identity of a sample wherever it lies: 32 hexadecimal digits.

    The data's own `uid` (DataComp), or the one that t2igan wrote; else the SHA-256 of URL and caption, or of the
    image file's bytes and caption where there is no URL. A uid of another form is not used.

    Args:
        fields: the sample's .json.
        image: the bytes of its image file.
        caption: its first caption.
    """
    ours = fields.get("t2igan")
    for own in (ours.get("uid") if isinstance(ours, Mapping) else None, fields.get("uid")):
        if isinstance(own, str) and UID.fullmatch(plain := own.lower().replace("-", "")):
            return plain
    url = fields.get("url") or fields.get("URL")
    start = url.encode(errors="surrogatepass") if isinstance(url, str) else image
    return hashlib.sha256(start + caption.encode(errors="surrogatepass")).hexdigest()[:32]


def _is_sound(value: Any, column: str) -> bool:
    low, high = RANGES[column.partition(":")[0]]
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_number and bool(low <= value <= high)


def _is_foreign(name: str, fields: Mapping[str, Any]) -> bool:
    """LAION's captions in other languages than English were scored by a multilingual CLIP, under the same name."""
    return name == "similarity" and fields.get("LANGUAGE") not in (None, "", "en")
