"""Which of several equal or nearly equal samples stays: the largest, best matching one. Not how hashes are compared.

Equal hashes are found part by part, in bounded memory whatever the number of samples. Near ones are compared all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from t2igan.curate.measures.near import first_of_each, keep_first
from t2igan.curate.spill import Spill

RECORD = np.dtype(
    [
        ("hash", "u8"),
        ("high", "u8"),
        ("low", "u8"),
        ("area", "i8"),
        ("clip", "f4"),
        ("shard", "u4"),
        ("row", "u4"),
    ]
)
"""One sample: a hash, its uid's halves, what ranks it, and where it is."""
MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no two hashes become one; perceptual hashes begin alike
Places = np.ndarray  # RECORD [n]: samples that go


def repeats(records: Iterable[np.ndarray], at_most: int) -> Iterator[Places]:
    """The samples whose hash a better one has, too.

    Args:
        records: RECORD [n], in any order.
        at_most: upper bound of their number.
    """
    with Spill(RECORD, at_most) as spill:
        for some in records:
            spill.add(some["hash"] * MIX, some)
        for part in spill.parts():
            several = part[_has_equals(part["hash"])]
            yield several[~first_of_each(ranks(several), several["hash"])]


def near_repeats(records: Iterable[np.ndarray], distance: int) -> Places:
    """The samples that lie within `distance` bits of a better one that stays; about 150 bytes of memory a sample."""
    everything = np.concatenate([np.zeros(0, RECORD), *records])
    return everything[~keep_first(ranks(everything), np.ascontiguousarray(everything["hash"]), distance)]


def ranks(records: np.ndarray) -> np.ndarray:
    """Place of each sample if the best comes first: larger area, higher CLIP score, then uid; int64 [n].

    A sample without a score (NaN) comes after those with one. Where even the uid is the same, the place decides.
    """
    keys = ("row", "shard", "low", "high")
    score = np.where(np.isnan(records["clip"]), -np.inf, records["clip"])
    order = np.lexsort((*(records[key] for key in keys), -score, -records["area"]))
    found = np.empty(len(records), np.int64)
    found[order] = np.arange(len(records))
    return found


def _has_equals(hashes: np.ndarray) -> np.ndarray:
    """Which hashes come more than once; bool [n]."""
    order = np.argsort(hashes)
    same = hashes[order][1:] == hashes[order][:-1]
    found = np.zeros(len(hashes), bool)
    found[order[1:][same]] = True
    found[order[:-1][same]] = True
    return found
