"""Work in threads gives what a plain loop gives, is bounded, and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from t2igan.ahead import in_background, in_order


class SpoiledError(Exception):
    """An error of this test."""


def counting(taken: list[int], stop: int, *, bad: int = -1) -> Iterator[int]:
    """0, 1, ..; notes what was taken, and raises at `bad`."""
    for number in range(stop):
        if number == bad:
            raise SpoiledError(number)
        taken.append(number)
        yield number


def note(numbers: Iterator[int], into: list[int]) -> None:
    """One by one, as `extend` keeps nothing when an error comes."""
    for number in numbers:
        into.append(number)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_values_come_in_the_order_of_their_items(threads: int, count: int):
    found = list(in_order(lambda n: n * n, range(count), threads=threads, ahead=7))
    assert found == [n * n for n in range(count)]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_up_where_its_value_would_have(threads: int):
    def invert(number: int) -> float:
        return 1 / number

    values = in_order(invert, [1, 2, 0, 4], threads=threads, ahead=4)
    assert [next(values), next(values)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(values)


def test_no_more_items_are_taken_than_may_wait():
    taken: list[int] = []
    values = in_order(abs, counting(taken, 100), threads=2, ahead=5)
    assert next(values) == 0
    assert taken == [0, 1, 2, 3, 4]
    values.close()  # pyright: ignore[reportAttributeAccessIssue]  (a generator)


def test_what_is_made_in_the_background_is_what_a_loop_gives():
    made_in = set[threading.Thread]()

    def numbers() -> Iterator[int]:
        for number in range(20):
            made_in.add(threading.current_thread())
            yield number

    with in_background(numbers(), ahead=3) as coming:
        assert list(coming) == list(range(20))
    assert len(made_in) == 1
    assert threading.current_thread() not in made_in


def test_the_background_is_never_further_ahead_than_told_and_goes_on_by_itself():
    taken: list[int] = []
    with in_background(counting(taken, 100), ahead=2) as coming:
        for number in coming:
            assert len(taken) <= number + 1 + 2
            if number == 10:
                break
    assert len(taken) <= 13


def test_an_error_in_the_background_is_the_caller_s_after_what_came_before_it():
    found: list[int] = []
    with pytest.raises(SpoiledError), in_background(counting([], 9, bad=5), ahead=3) as coming:
        note(coming, found)
    assert found == [0, 1, 2, 3, 4]


def test_an_error_of_the_caller_closes_the_items_in_their_own_thread():
    ended_in = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            ended_in.append(threading.current_thread())

    with pytest.raises(ZeroDivisionError), in_background(numbers(), ahead=2) as coming:
        assert next(coming) / 0
    assert ended_in != [threading.current_thread()]
    assert len(ended_in) == 1


def test_the_thread_is_prepared_before_anything_is_made_and_what_prevents_that_is_told():
    seen, own = [], threading.local()

    def prepare() -> None:
        own.value = "ready"

    def numbers() -> Iterator[str]:
        yield getattr(own, "value", "not ready")

    with in_background(numbers(), ahead=1, prepare=prepare) as coming:
        seen.extend(coming)
    assert seen == ["ready"]

    def refuse() -> None:
        raise SpoiledError

    with pytest.raises(SpoiledError), in_background(numbers(), ahead=1, prepare=refuse) as coming:
        next(coming)
