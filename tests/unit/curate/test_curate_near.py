from __future__ import annotations

import numpy as np
import pytest

from t2igan.curate.measures import near
from t2igan.curate.measures.near import first_of_each, keep_first, near_pairs


def random_hashes(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def clustered_hashes(count: int, seed: int = 0, *, flips: int = 5) -> np.ndarray:
    """Copies of a few centres with 0 .. flips random bits turned, some of them equal."""
    rng = np.random.default_rng(seed)
    hashes = rng.choice(random_hashes(max(1, count // 40), seed), count)
    for _ in range(flips):
        turned = np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64)
        hashes = np.where(rng.random(count) < 0.5, hashes ^ turned, hashes)
    return hashes


def distances(hashes: np.ndarray) -> np.ndarray:
    """Of every hash to every other, by comparing bits one by one."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1).astype(np.int32)
    return bits.sum(1)[:, None] + bits.sum(1)[None] - 2 * bits @ bits.T


def pairs_by_force(hashes: np.ndarray, distance: int) -> list[list[int]]:
    is_first = np.zeros(len(hashes), bool)
    is_first[np.unique(hashes, return_index=True)[1]] = True
    close = (distances(hashes) <= distance) & is_first[:, None] & is_first[None]
    return np.argwhere(np.triu(close, 1)).tolist()


def kept_by_force(order: np.ndarray, hashes: np.ndarray, distance: int) -> list[bool]:
    close = distances(hashes) <= distance
    kept = np.zeros(len(hashes), bool)
    for row in np.argsort(order, kind="stable"):
        kept[row] = not (close[row] & kept).any()
    return kept.tolist()


@pytest.mark.parametrize("distance", [0, 1, 4, 7, 10])
@pytest.mark.parametrize("make", [random_hashes, clustered_hashes])
def test_pairs_are_those_of_brute_force(make, distance):
    hashes = make(1500)
    assert near_pairs(hashes, distance).tolist() == pairs_by_force(hashes, distance)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_every_way_to_cut_the_bits_finds_the_same_pairs(k):
    hashes = np.unique(clustered_hashes(1500, seed=3))
    found = set()
    for mask in near._combined(5, k):
        for pairs in near._pairs_of_mask(hashes, mask, 5):
            found |= {tuple(sorted(pair)) for pair in pairs.tolist()}
    assert sorted(found) == [tuple(pair) for pair in pairs_by_force(hashes, 5)]
    assert len(found) > 1000


def test_pairs_at_the_very_distance_are_found_wherever_their_bits_lie():
    rng = np.random.default_rng(0)
    base = random_hashes(400)
    turned = np.array([sum(1 << int(b) for b in rng.choice(64, 4, replace=False)) for _ in base], np.uint64)
    found = near_pairs(np.concatenate([base, base ^ turned]), 4)
    assert found.tolist() == [[n, n + 400] for n in range(400)]


def test_many_hashes_are_cut_for_fewer_comparisons():
    few, many = near._masks(4, 1000), near._masks(4, 10**8)
    assert min(mask.bit_count() for mask in few) == 12  # 5 bands
    assert min(mask.bit_count() for mask in many) > 24


@pytest.mark.parametrize("make", [random_hashes, clustered_hashes])
@pytest.mark.parametrize("distance", [0, 3, 4, 8])
def test_the_best_of_near_rows_stays(make, distance):
    hashes = make(1000)
    order = np.random.default_rng(1).permutation(1000)
    kept = keep_first(order, hashes, distance)
    assert kept.tolist() == kept_by_force(order, hashes, distance)


def test_a_row_near_a_dropped_row_may_stay():
    chain = np.array([0b0, 0b1, 0b11, 0b111], np.uint64)  # each one bit from the next
    assert keep_first(np.arange(4), chain, 1).tolist() == [True, False, True, False]
    assert keep_first(np.array([1, 0, 2, 3]), chain, 1).tolist() == [False, True, False, True]


def test_what_stays_does_not_depend_on_the_order_of_the_rows():
    hashes, order = clustered_hashes(800), np.random.default_rng(2).permutation(800)
    shuffled = np.random.default_rng(3).permutation(800)
    kept = keep_first(order, hashes, 4)
    assert np.array_equal(keep_first(order[shuffled], hashes[shuffled], 4), kept[shuffled])


def test_one_row_of_each_hash_is_the_first_by_rank():
    hashes = np.array([7, 7, 9, 7, 9], np.uint64)
    assert first_of_each(np.array([3, 1, 5, 2, 4]), hashes).tolist() == [False, True, False, False, True]
    assert first_of_each(np.zeros(5, np.int64), hashes).tolist() == [True, False, True, False, False]


def test_a_million_equal_hashes_are_one():
    equal = np.full(10**6, 5, np.uint64)
    assert len(near_pairs(equal, 4)) == 0
    assert np.flatnonzero(keep_first(np.arange(10**6)[::-1], equal, 4)).tolist() == [10**6 - 1]


@pytest.mark.parametrize("count", [0, 1])
def test_none_and_one_stay(count):
    hashes = random_hashes(count)
    assert near_pairs(hashes, 4).shape == (0, 2)
    assert keep_first(np.arange(count), hashes, 4).tolist() == [True] * count
    assert first_of_each(np.arange(count), hashes).tolist() == [True] * count


def test_the_table_for_old_numpy_counts_the_same_bits():
    hashes = np.append(random_hashes(1000), np.array([0, 2**64 - 1], np.uint64))
    expected = [int(value).bit_count() for value in hashes]
    assert near._count_bits(hashes).tolist() == near._count_bits_by_table(hashes).tolist() == expected
