"""The files beside a tar: do statistics, score table and embeddings belong to it? The tar is not read."""

from __future__ import annotations

import json
from collections.abc import Collection

import numpy as np

from t2igan.curate.embed.sidecar import TOKEN_OFFSETS, TOKENS, read_front, stem_of, why_unfit
from t2igan.curate.image_embeddings import stem_of_images, why_other_tar
from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.curate.table import SUFFIX as SCORES
from t2igan.curate.table import read_table
from t2igan.curate.validate.facts import TarFacts
from t2igan.curate.validate.findings import Findings
from t2igan.curate.validate.samples import as_array, hash_key
from t2igan.data.sidecar import EMBED, OFFSETS
from t2igan.errors import DataError
from t2igan.tensor_file import Layout

STATS = "_stats.json"


def stem_beside(name: str) -> str | None:
    """The stem of the shard that a file says something about; None for other files."""
    for suffix in (STATS, SCORES):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return stem_of(name) or stem_of_images(name)


def check_beside(shard: Shard, facts: TarFacts, names: Collection[str], findings: Findings) -> None:
    """Compare the files beside a shard with what its tar holds."""
    for name in sorted(names):
        if name.endswith(STATS):
            _check_stats(shard.folder, name, facts, findings)
        elif name.endswith(SCORES):
            _check_scores(shard.folder, name, facts, findings)
        elif stem_of(name) is not None:
            _check_embeddings(shard, name, facts, findings)
        else:
            _check_images(shard.folder, name, facts, findings)


def _check_stats(folder: Folder, name: str, facts: TarFacts, findings: Findings) -> None:
    try:
        stats = json.loads(folder.read(name))
        successes, output = stats["successes"], stats.get("output")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        findings.add("_stats.json unreadable", name, f"{type(error).__name__}: {error}")
        return
    if successes != len(facts.keys):
        findings.add(
            "_stats.json disagrees", name, f"counts {successes} samples, the tar holds {len(facts.keys)}"
        )
    elif isinstance(output, dict) and output.get("sha256", facts.sha256) != facts.sha256:
        findings.add(
            "_stats.json disagrees",
            name,
            f"the tar has other bytes ({facts.sha256[:16]}...) than were written",
        )


def _check_scores(folder: Folder, name: str, facts: TarFacts, findings: Findings) -> None:
    why = _why_scores_unfit(folder, name, facts)
    if why:
        findings.add("score table does not fit", name, why)


def _why_scores_unfit(folder: Folder, name: str, facts: TarFacts) -> str:
    try:
        with folder.fetched(name) as path:
            table = read_table(path, folder.where(name), ["key"])
        keys = table.columns["key"].to_pylist()
    except (DataError, KeyError, AttributeError) as error:
        return str(error)
    if len(table) != len(facts.keys):
        return f"has {len(table)} rows, the tar {len(facts.keys)} samples"
    if table.source.bytes != facts.bytes or table.source.sha256 != facts.sha256:
        return f"was made from a tar of {table.source.bytes} other bytes"
    is_same = np.array_equal(as_array([hash_key(str(key)) for key in keys]), facts.keys)
    return "" if is_same else "has other keys than the tar"


def _check_embeddings(shard: Shard, name: str, facts: TarFacts, findings: Findings) -> None:
    try:
        layout = read_front(shard.folder, name)
        why = why_unfit(layout, shard.name.removesuffix(".tar"), name, facts.bytes)
        why = why or _why_rows_unfit(shard.folder, name, layout, facts)
    except DataError as error:
        why = str(error)
    if why:
        findings.add("text embeddings do not fit", name, why)


def _check_images(folder: Folder, name: str, facts: TarFacts, findings: Findings) -> None:
    try:
        why = why_other_tar(read_front(folder, name), facts.sha256, len(facts.keys))
    except DataError as error:
        why = str(error)
    if why:
        findings.add("image embeddings do not fit", name, why)


def _why_rows_unfit(folder: Folder, name: str, layout: Layout, facts: TarFacts) -> str:
    """Whether the rows are those of the captions of today."""
    rows = layout.tensors[EMBED].shape[0]
    if rows != facts.captions or not _is_partition(
        _offsets(folder, name, layout, OFFSETS), len(facts.keys), rows
    ):
        return f"has {rows} rows, the tar {facts.captions} captions of {len(facts.keys)} samples"
    if layout.strings.get("caption_hash", facts.caption_hash) != facts.caption_hash:
        return "was made from other captions"
    if TOKENS in layout.tensors:
        total = layout.tensors[TOKENS].shape[0]
        if not _is_partition(_offsets(folder, name, layout, TOKEN_OFFSETS), rows, total):
            return "its tokens do not belong to its rows"
    return ""


def _offsets(folder: Folder, name: str, layout: Layout, tensor: str) -> np.ndarray:
    at = layout.tensors[tensor]
    with folder.opened(name) as file:
        file.seek(layout.data_start + at.start)
        data = file.read(max(0, at.end - at.start))
    return np.frombuffer(data[: len(data) // 8 * 8], dtype="<i8")


def _is_partition(offsets: np.ndarray, parts: int, total: int) -> bool:
    """Whether offsets [parts + 1] rise from 0 to `total`."""
    is_long_enough = len(offsets) == parts + 1 and offsets[0] == 0 and offsets[-1] == total
    return bool(is_long_enough and (np.diff(offsets) >= 0).all())
