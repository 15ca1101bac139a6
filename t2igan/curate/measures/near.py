"""Which of many 64-bit hashes lie near each other, exactly, and which rows stay if one of each kind is enough.

Not how pictures are hashed. Everything is in memory: about 110 bytes a hash, and 32 a pair found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

BITS = 64
SORT_COST = 10  # of one hash, in comparisons of two hashes; measured at a million
CHUNK = 1 << 20  # pairs turned into Python numbers at once
COUNTS = np.array([n.bit_count() for n in range(1 << 16)], np.uint8)


def near_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """All pairs of hashes that differ in at most `distance` bits.

    Equal hashes are one hash, named by its first row: their pairs would be quadratically many, and `first_of_each`
    finds them.

    Args:
        hashes: uint64 [N].
        distance: 0 .. 60.

    Returns:
        int64 [M, 2] rows i < j, each pair once, sorted by i and then by j.

    How: cut the 64 bits into distance + k bands. At least k bands of a near pair are equal, so only hashes that agree
    in some k bands are compared, for every choice of k. k = 1 is the pigeonhole; a larger k sorts more often and
    compares less, and the cheapest for N random hashes is taken.
    """
    values, rows = np.unique(hashes, return_index=True)
    masks = _masks(distance, len(values))
    found = [np.zeros((0, 2), np.int64)]
    for n, mask in enumerate(masks):
        for pairs in _pairs_of_mask(values, mask, distance):
            apart = values[pairs[:, 0]] ^ values[pairs[:, 1]]
            found.append(np.sort(rows[pairs[_is_new(apart, masks[:n])]], axis=1))
    every = np.concatenate(found)
    return every[np.lexsort((every[:, 1], every[:, 0]))]


def keep_first(order: np.ndarray, hashes: np.ndarray, distance: int) -> np.ndarray:
    """Which rows stay if a row goes that lies near a better one that stays.

    A row near a row that went may stay: only what is kept counts. The result does not depend on the order of the rows
    as long as their ranks differ; of equal ranks the first row is better.

    Args:
        order: int64 [N], the rank of each row; the smallest is the best.
        hashes: uint64 [N].
        distance: bits in which near hashes differ at most.

    Returns:
        bool [N].
    """
    best_first = np.argsort(order, kind="stable")
    _, first = np.unique(hashes[best_first], return_index=True)
    candidates = best_first[np.sort(first)]  # one row a hash, the best first
    pairs = near_pairs(hashes[candidates], distance)
    stays = _greedy(len(candidates), pairs[np.argsort(pairs[:, 1], kind="stable")])
    kept = np.zeros(len(hashes), bool)
    kept[candidates[stays]] = True
    return kept


def first_of_each(order: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Which rows are the best of all with the same hash; bool [N]. Arguments as for `keep_first`."""
    return keep_first(order, hashes, 0)


def _greedy(count: int, pairs: np.ndarray) -> np.ndarray:
    """Drop the worse row of each pair whose better row stays; the pairs are sorted by the worse row. bool [count]."""
    stays = bytearray(b"\1") * count
    for start in range(0, len(pairs), CHUNK):
        for better, worse in pairs[start : start + CHUNK].tolist():
            if stays[better]:  # final, as all pairs in which it is the worse one came before
                stays[worse] = 0
    return np.frombuffer(stays, dtype=bool)


def _is_new(apart: np.ndarray, earlier: list[int]) -> np.ndarray:
    """Which pairs agree in the bits of no earlier mask, and so were not found before; bool [M].

    Args:
        apart: uint64 [M], the bits in which each pair differs.
        earlier: masks.
    """
    new = np.ones(len(apart), bool)
    for mask in earlier:
        new &= (apart & np.uint64(mask)) != 0
    return new


def _masks(distance: int, count: int) -> list[int]:
    """Sets of bits, of which every near pair agrees in at least one; none where no pair can be."""
    if not distance or count < 2:
        return []
    plans = [_combined(distance, k) for k in range(1, 5) if distance + k <= BITS]
    return min(plans, key=lambda masks: _cost(masks, count))


def _combined(distance: int, k: int) -> list[int]:
    """The masks of every k of distance + k bands."""
    edges = [BITS * i // (distance + k) for i in range(distance + k + 1)]
    bands = [(1 << high) - (1 << low) for low, high in itertools.pairwise(edges)]
    return [sum(chosen) for chosen in itertools.combinations(bands, k)]


def _cost(masks: list[int], count: int) -> float:
    """Comparisons of two hashes that random hashes need, with the sorting."""
    compared = sum(math.ldexp(count * count / 2, -mask.bit_count()) for mask in masks)
    return compared + len(masks) * count * SORT_COST


def _pairs_of_mask(hashes: np.ndarray, mask: int, distance: int) -> Iterator[Any]:
    """Pairs [M, 2] of places of distinct hashes that agree in the mask's bits and are near.

    Sorted by those bits, hashes that agree are neighbours: each is compared with the next, the one after it, and so on
    as far as its run of equal bits goes, all hashes at once. So memory does not grow with the number of comparisons.
    """
    bits = hashes & np.uint64(mask)
    places = np.argsort(bits)
    bits, ordered = bits[places], hashes[places]
    last = np.searchsorted(bits, bits, side="right") - 1
    active = np.arange(len(hashes))
    for step in itertools.count(1):
        active = active[active + step <= last[active]]
        if not len(active):
            return
        near = active[_count_bits(ordered[active] ^ ordered[active + step]) <= distance]
        if len(near):
            yield np.stack([places[near], places[near + step]], axis=1)


def _count_bits(values: np.ndarray) -> np.ndarray:
    """How many bits of each uint64 are set; numpy before 2.0 needs a table."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(values)
    return _count_bits_by_table(values)


def _count_bits_by_table(values: np.ndarray) -> np.ndarray:
    return COUNTS[np.ascontiguousarray(values).view(np.uint16).reshape(-1, 4)].sum(axis=1, dtype=np.uint8)
