from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from score_tables import loader, table_of, uid_of

from t2igan.curate import semantic
from t2igan.curate.config import Rules
from t2igan.curate.duplicates import RECORD
from t2igan.curate.select import select
from t2igan.curate.selection import Selection
from t2igan.curate.semantic import keep_unlike, semantic_repeats

MODEL = "ViT-L-14/openai"
COLUMN = f"embedding:{MODEL}"


def clustered(count: int, *, clusters: int, dim: int = 24, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """Unit rows around random directions, in half precision; about half of the pairs of a cluster are within 0.95."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[rng.integers(0, clusters, count)] + noise * rng.standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def by_hand(vectors: np.ndarray, similarity: float) -> list[bool]:
    """Row by row, in double precision: a row goes for an earlier one that stays."""
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    stays: list[int] = []
    for row in range(len(wide)):
        if not any(float(wide[row] @ wide[other]) >= similarity for other in stays):
            stays.append(row)
    return [row in stays for row in range(len(wide))]


def records_of(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    records = np.zeros(count, RECORD)
    records["high"], records["low"] = rng.permutation(count), 1
    records["area"] = rng.integers(1, 5, count)
    records["clip"] = np.where(rng.random(count) < 0.2, np.nan, rng.integers(0, 5, count) / 10)
    records["shard"], records["row"] = np.arange(count) // 100, np.arange(count) % 100
    return records


def in_chunks(
    records: np.ndarray, vectors: np.ndarray
) -> Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]:
    return lambda: ((records[i : i + 100], vectors[i : i + 100]) for i in range(0, len(records), 100))


def gone(records: np.ndarray, vectors: np.ndarray, similarity: float = 0.95) -> set[tuple[int, int]]:
    found = semantic_repeats(in_chunks(records, vectors), len(records), similarity)
    return {(int(r["shard"]), int(r["row"])) for places in found for r in places}


@pytest.mark.parametrize("block", [7, 64, 4096])
@pytest.mark.parametrize("similarity", [0.9, 0.95, 0.97])
def test_what_stays_is_what_a_plain_loop_keeps_for_any_block(
    block: int, similarity: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(semantic, "BLOCK", block)
    vectors = clustered(400, clusters=40)
    expected = by_hand(vectors, similarity)
    assert 0 < sum(expected) < 400
    assert keep_unlike(vectors.copy(), similarity).tolist() == expected


def test_a_row_goes_only_for_one_that_stays():
    angles = np.deg2rad([0, 15, 30, 45])  # neighbours are alike at 0.95 (18 degrees), others are not
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert keep_unlike(vectors[[0, 1, 2, 3]], 0.95).tolist() == [True, False, True, False]
    assert keep_unlike(vectors[[1, 0, 2, 3]], 0.95).tolist() == [True, False, False, True]


def test_the_largest_then_best_matching_then_first_by_uid_stays():
    records, vectors = records_of(300), clustered(300, clusters=25, seed=4)
    clip = np.where(np.isnan(records["clip"]), -1.0, records["clip"])
    best_first = sorted(range(300), key=lambda i: (-records["area"][i], -clip[i], records["high"][i]))
    stays = by_hand(vectors[best_first], 0.95)
    expected = {divmod(row, 100) for row, kept in zip(best_first, stays, strict=True) if not kept}
    assert gone(records, vectors) == expected
    turned = np.random.default_rng(8).permutation(300)
    assert gone(records[turned], vectors[turned]) == expected


def test_cells_give_what_comparing_all_gives_where_clusters_are_apart(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(2)
    themes = np.linalg.qr(rng.standard_normal((64, 10)))[0].T  # far apart, and each of several pictures
    pictures = np.repeat(themes, 6, axis=0) + 0.04 * rng.standard_normal((60, 64))
    vectors = (pictures[rng.integers(0, 60, 3000)] + 0.02 * rng.standard_normal((3000, 64))).astype(
        np.float16
    )
    records = records_of(3000)
    whole = gone(records, vectors, 0.97)
    monkeypatch.setattr(semantic, "EXACT", 1000)
    monkeypatch.setattr(semantic, "CELL", 300)
    monkeypatch.setattr(semantic, "PART_BYTES", 100_000)  # several parts on disk
    assert len(semantic.find_centres(in_chunks(records, vectors), 3000)) == 10
    assert gone(records, vectors, 0.97) == whole
    assert gone(records, vectors, 0.97) == whole  # centres are drawn by a fixed seed
    assert 1000 < len(whole) < 3000


def test_more_cells_than_different_samples_do_no_harm(monkeypatch: pytest.MonkeyPatch):
    records, vectors = records_of(200), np.tile(clustered(1, clusters=1), (200, 1))
    monkeypatch.setattr(semantic, "EXACT", 10)
    monkeypatch.setattr(semantic, "CELL", 2)
    assert len(gone(records, vectors)) == 199


def test_no_sample_at_all_is_no_problem():
    assert list(semantic_repeats(lambda: iter(()), 0, 0.95)) == []


def selected(vectors: Mapping[str, np.ndarray], rules: Rules) -> tuple[Selection, list[Any]]:
    tables = {}
    for shard, rows in vectors.items():
        columns: dict[str, Any] = {COLUMN: [True] * len(rows)}
        tables[shard] = table_of(len(rows), shard, **columns)
    read: list[Any] = []

    def load(shard: str, column: str, rows: np.ndarray) -> np.ndarray:
        read.append((shard, column, rows.tolist()))
        return vectors[shard][rows]

    return select(loader(tables), list(tables), rules, load_embeddings=load), read


def test_semantic_duplicates_go_across_shards_and_only_what_other_rules_left_is_compared():
    same = clustered(1, clusters=1)
    vectors = {"a": np.tile(same, (3, 1)), "b": np.concatenate([same, -same])}
    found, read = selected(vectors, Rules(dedup=("embedding",)))
    uids = sorted((uid_of(f"{s}-{i}"), s, i) for s, i in [("a", 0), ("a", 1), ("a", 2), ("b", 0)])
    kept = {(s, i) for s in "ab" for i, reason in enumerate(found.reasons(s)) if not reason}
    assert kept == {uids[0][1:], ("b", 1)}
    assert found.counts() == {"semantic duplicate": 3}
    assert read == [("a", COLUMN, [0, 1, 2]), ("b", COLUMN, [0, 1])]
