"""Which samples show what a better one shows, by the cosine of their image embeddings. Not how pictures are embedded.

Up to EXACT samples are all compared with each other. More are first sorted into cells around the centres of a k-means, and
compared inside each cell only, as SemDeDup does: of two alike samples in different cells both stay.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from t2igan.curate.duplicates import RECORD, Places, ranks
from t2igan.curate.spill import Spill

EXACT = 200_000  # samples that are compared all with all: 5 minutes of a core at 768 numbers each
CELL = 16_384  # samples of a cell, about
MAX_CELLS = 4096
SAMPLE = 1 << 16  # embeddings that centres are taken from
ROUNDS = 10  # of k-means
BLOCK = 4096  # rows that are multiplied at once: 64 MB of cosines
PART_BYTES = 1 << 28  # of samples in memory at once, about
SEED = 0
Embedded = tuple[np.ndarray, np.ndarray]  # RECORD [n], float16 [n, D]


def semantic_repeats(
    embedded: Callable[[], Iterator[Embedded]], at_most: int, similarity: float
) -> Iterator[Places]:
    """The samples that go for a better one that stays, cell by cell.

    Args:
        embedded: reads all samples, in the same order every time; is called twice where there are many.
        at_most: upper bound of their number.
        similarity: cosine from which two samples show the same.
    """
    chunks = embedded()
    first = next(chunks, None)
    if first is None:
        return
    centres = find_centres(embedded, at_most)
    kind = np.dtype([("sample", RECORD), ("vector", "f2", first[1].shape[1:])])
    step = (1 << 64) // len(centres)  # so that cells fill the parts evenly
    with Spill(kind, at_most, part=max(1, PART_BYTES // kind.itemsize)) as spill:
        for records, vectors in itertools.chain([first], chunks):
            both = np.zeros(len(records), kind)
            both["sample"], both["vector"] = records, vectors
            both["sample"]["hash"] = nearest(vectors, centres)
            spill.add(both["sample"]["hash"] * np.uint64(step if len(centres) > 1 else 0), both)
        for part in spill.parts():
            for cell in np.unique(part["sample"]["hash"]):
                yield _gone(part[part["sample"]["hash"] == cell], similarity)


def _gone(cell: np.ndarray, similarity: float) -> Places:
    """Those of one cell that go."""
    best_first = np.argsort(ranks(cell["sample"]))
    stays = keep_unlike(cell["vector"][best_first], similarity)
    return cell["sample"][best_first[~stays]]


def keep_unlike(vectors: np.ndarray, similarity: float) -> np.ndarray:
    """Which rows stay if a row goes that is like an earlier one that stays; bool [N].

    Args:
        vectors: float [N, D], the best first, of any length but zero; is written over.
        similarity: cosine from which two rows are alike.
    """
    stays, count = np.ones(len(vectors), bool), 0
    for start in range(0, len(vectors), BLOCK):
        block = unit(vectors[start : start + BLOCK])
        rows = np.arange(len(block))
        for other in range(0, count, BLOCK):
            near = block[rows] @ unit(vectors[other : min(other + BLOCK, count)]).T >= similarity
            rows = rows[~near.any(axis=1)]
        rows = rows[_first_ones(block[rows], similarity)]
        stays[start : start + BLOCK] = False
        stays[start + rows] = True
        vectors[count : count + len(rows)] = block[rows]  # those that stay move to the front
        count += len(rows)
    return stays


def _first_ones(block: np.ndarray, similarity: float) -> np.ndarray:
    """The same inside one block of unit length; bool [rows]."""
    near = np.triu(block @ block.T >= similarity, 1)
    stays = np.ones(len(block), bool)
    for row in np.flatnonzero(near.any(axis=1)):
        if stays[row]:  # final, as all earlier rows had their turn
            stays &= ~near[row]
    return stays


def find_centres(embedded: Callable[[], Iterator[Embedded]], at_most: int) -> np.ndarray:
    """The centres of the cells, by k-means on a sample drawn by a fixed seed; float32 [cells, D] of unit length.

    Few samples are one cell, and nothing is read for it.
    """
    cells = 1 if at_most <= EXACT else min(MAX_CELLS, math.ceil(at_most / CELL))
    if cells == 1:
        return np.zeros((1, 0), np.float32)
    rng = np.random.default_rng(SEED)
    drawn = [vectors[rng.random(len(vectors)) < SAMPLE / at_most] for _, vectors in embedded()]
    sample = unit(np.concatenate(drawn))
    centres = _spread(sample, min(cells, len(sample)), rng)
    for _ in range(ROUNDS):
        cell = nearest(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, sample)
        is_used = np.linalg.norm(sums, axis=1) > 0
        centres[is_used] = unit(sums[is_used])
    return centres


def _spread(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to start from, far from each other: the next is drawn by its distance to the nearest one so far (k-means++)."""
    rows = [int(rng.integers(len(sample)))]
    distance = np.full(len(sample), np.inf)
    while len(rows) < count:
        distance = np.minimum(distance, np.maximum(0, 1 - sample @ sample[rows[-1]]))
        total = np.cumsum(distance)
        rows.append(min(int(np.searchsorted(total, rng.random() * total[-1], "right")), len(sample) - 1))
    return sample[rows]


def nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The centre with the largest cosine; int64 [N]."""
    if len(centres) == 1:
        return np.zeros(len(vectors), np.int64)
    blocks = (vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK))
    return np.concatenate([np.argmax(unit(block) @ centres.T, axis=1) for block in blocks])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length, float32; embeddings in half precision are off by a thousandth."""
    wide = vectors.astype(np.float32)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)
