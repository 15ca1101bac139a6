"""Processes on one store agree on a name, whatever earlier ones have left there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as td

from t2igan.meeting import agree_on_name

WORLD = 4


def meet(store: td.HashStore, order: list[int]) -> set[str]:
    """The names that processes come to, started in this order."""
    with ThreadPoolExecutor(WORLD) as threads:
        asked = [threads.submit(agree_on_name, store, rank, WORLD, patience_s=10) for rank in order]
    return {future.result() for future in asked}


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]])
def test_all_agree_and_a_second_start_on_the_same_store_agrees_on_another_name(order: list[int]):
    store = td.HashStore()
    (first,), (second,) = meet(store, order), meet(store, order[::-1])
    assert first != second


def test_questions_of_the_dead_confuse_nobody():
    store = td.HashStore()
    for rank in (1, 2):
        store.set(f"ask/{rank}", "a word of a process that has died")
    store.set("answer/another", "a name of long ago")
    assert len(meet(store, [0, 1, 2, 3])) == 1


def test_one_alone_needs_nobody():
    assert agree_on_name(td.HashStore(), 0, 1, patience_s=0)


def test_whoever_is_missing_is_named_and_nobody_waits_for_ever():
    store = td.HashStore()
    with pytest.raises(TimeoutError, match="process 1 is missing"):
        agree_on_name(store, 0, 3, patience_s=0.05)
    store.set_timeout(timedelta(seconds=0.05))
    with pytest.raises(RuntimeError):
        agree_on_name(store, 1, 3, patience_s=0.05)
