"""Finding, reading and overriding recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from t2igan.errors import RecipeError
from t2igan.recipe.load import list_recipes, load_recipe, recipe_folder
from t2igan.recipe.schema import GanRecipe

SMOKE = recipe_folder() / "smoke.yaml"


def test_a_name_and_its_path_load_the_same_recipe():
    assert load_recipe("smoke") == load_recipe(SMOKE)
    assert isinstance(load_recipe("smoke"), GanRecipe)


def test_every_shipped_name_is_listed_once_and_in_order():
    assert "smoke" in list_recipes()
    assert list_recipes() == sorted(set(list_recipes()))


def test_overrides_reach_the_recipe():
    recipe = load_recipe("smoke", ["train.batch=4", "stages.0.kimg=0.5"])
    assert isinstance(recipe, GanRecipe)
    assert (recipe.train.batch, recipe.stages[0].kimg) == (4, 0.5)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("smok", "unknown recipe 'smok'; did you mean 'smoke'?"),
        ("nothing-like-it", "unknown recipe 'nothing-like-it' (known: "),
        ("folder", "folder: is a folder"),
        ("mein.yaml", "mein.yaml: no such recipe file; did you mean 'mine.yaml'?"),
        ("folder/mine.yaml", "folder/mine.yaml: no such recipe file"),
    ],
)
def test_an_unknown_recipe_names_the_nearest(
    name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "mine.yaml").write_bytes(SMOKE.read_bytes())
    with pytest.raises(RecipeError) as caught:
        load_recipe(name)
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"name: \xff\xfe", "not UTF-8 text (byte 6)"),
        (b"\x89PNG\r\n", "not UTF-8 text (byte 0)"),
        (b"", "the file is empty"),
    ],
)
def test_a_file_that_is_no_text_is_one_line(content: bytes, why: str, tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(path))
    assert why in line


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMOKE.read_bytes().replace(b"\n", b"\r\n"))
    assert load_recipe(path) == load_recipe("smoke")
