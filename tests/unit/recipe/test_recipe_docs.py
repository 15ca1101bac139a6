"""The generated reference and schema say what the models say."""

from __future__ import annotations

from t2igan.recipe.docs import recipe_markdown, recipe_schema


def test_the_schema_describes_and_forbids_unknown_keys_in_every_section():
    sections = recipe_schema()["$defs"]
    assert {"GanRecipe", "StyleGANTConfig", "ShapesConfig"} <= set(sections)
    assert all(section["additionalProperties"] is False for section in sections.values())
    assert (
        sections["TrainConfig"]["properties"]["batch"]["description"]
        == "Images a step, over all ranks; stages may override it."
    )


def test_every_section_that_the_reference_links_to_is_on_the_page():
    page = recipe_markdown()
    headings = {line.removeprefix("## ").lower() for line in page.splitlines() if line.startswith("## ")}
    links = {part.split(")")[0] for part in page.split("(#")[1:]}
    assert links <= headings
    assert headings == {name.lower() for name in recipe_schema()["$defs"]}


def test_types_bounds_and_defaults_are_spelt_out():
    page = recipe_markdown()
    assert (
        "| `batch` | integer, >= 1 | `64` | Images a step, over all ranks; stages may override it. |" in page
    )
    assert "| `betas` | list of 2 x number | `[0.0, 0.99]` |" in page
    assert "| `kimg` | number, > 0 | required |" in page
