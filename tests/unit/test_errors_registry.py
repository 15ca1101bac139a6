"""Name tables and the nearest name."""

from __future__ import annotations

import sys

import pytest

from t2igan import errors
from t2igan.errors import T2IGanError, UsageError, nearest
from t2igan.registry import Registry

TABLE = Registry("shape", {"circle": "json.decoder:JSONDecoder", "square": "t2igan.no_such_module:X"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [("cirle", "; did you mean 'circle'?"), ("squar", "; did you mean 'square'?"), ("xyz", ""), ("", "")],
)
def test_nearest_hints_only_at_names_that_are_close(name: str, hint: str):
    assert nearest(name, ["circle", "square"]) == hint


def test_a_registry_imports_what_a_name_stands_for():
    assert TABLE["circle"] is sys.modules["json.decoder"].JSONDecoder


def test_listing_a_registry_imports_nothing():
    assert TABLE.names() == ["circle", "square"]
    assert "square" in TABLE
    assert "t2igan.no_such_module" not in sys.modules


def test_a_miss_names_the_kind_the_nearest_and_all_known_names():
    with pytest.raises(
        UsageError, match=r"unknown shape 'cirle'; did you mean 'circle'\? Known: circle, square\."
    ):
        TABLE["cirle"]


def test_every_error_kind_has_an_exit_code_that_the_shell_can_tell_from_a_crash():
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, T2IGanError)
    ]
    assert len(kinds) >= 7
    assert {kind.__name__: kind.exit_code for kind in kinds if kind.exit_code != 1} == {
        "UsageError": 2, "RecipeError": 2, "DataError": 4, "TrainingError": 5,
    }  # fmt: skip
