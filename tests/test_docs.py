"""Generated pages and shipped recipes are up to date. Mend with `python -m t2igan.recipe.docs`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from t2igan.decode import decode_yaml
from t2igan.encode import to_yaml
from t2igan.recipe.docs import SCHEMA_NAME, recipe_markdown, recipe_schema
from t2igan.recipe.load import list_recipes, load_recipe
from t2igan.recipe.schema import Recipe

ROOT = Path(__file__).parent.parent


def test_the_recipe_reference_is_what_the_config_models_say():
    assert (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8") == recipe_markdown()


def test_the_schema_beside_the_recipes_is_what_the_config_models_say():
    assert json.loads((ROOT / "recipes" / SCHEMA_NAME).read_text(encoding="utf-8")) == recipe_schema()


def test_every_key_of_a_recipe_is_explained():
    rows = [line.split(" | ") for line in recipe_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert [row[0] for row in rows if row[-1].strip(" |") == ""] == []


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_says_how_to_run_it_and_what_it_costs(name: str):
    text = (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    first, *rest = text.splitlines()
    header = "\n".join(line for line in rest if line.startswith("#"))
    assert first == f"# yaml-language-server: $schema={'../' * name.count('/')}{SCHEMA_NAME}"
    assert f"# t2igan train --recipe {name}" in header or f"# t2igan {name}" in header
    assert "Hardware" in header
    assert "Source" in header


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_is_checked_described_and_loads_back_equal(name: str):
    recipe = load_recipe(name)
    assert recipe.name == name.replace("/", "_")
    assert recipe.description
    assert decode_yaml(to_yaml(recipe), Recipe, source="again") == recipe
