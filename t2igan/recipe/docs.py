"""The recipe reference and the JSON schema, made from the config models: `python -m t2igan.recipe.docs` writes both.

Not a place for prose: what a key means is the string under its field.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from t2igan.recipe.load import recipe_folder
from t2igan.recipe.schema import EncoderRecipe, GanRecipe, Recipe

SCHEMA_NAME = "recipe.schema.json"
_BOUNDS = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}", "min_length": "at least {} entries"}
_INTRO = """# Recipe reference

Made by `python -m t2igan.recipe.docs` from the config models; edit the strings under their fields, not this page.

A recipe is one YAML file, read from top to bottom: no inheritance, no interpolation, no environment. Keys without a
default must be given. `t2igan recipe show NAME` prints a recipe with every key, `t2igan recipe check FILE` looks for
mistakes, `t2igan recipe schema` prints the JSON schema that lets an editor complete keys. Any key can be set on the
command line: `--set train.batch=64 --set stages.0.kimg=5`.
"""


def recipe_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a recipe, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t2igan recipe"}
    return schema | TypeAdapter(Recipe).json_schema()


def recipe_markdown() -> str:
    """The text of docs/recipe.md: one table a section, in the order in which recipes name them."""
    models: dict[str, type[BaseModel]] = {}
    for model in (GanRecipe, EncoderRecipe):
        _collect(model, models)
    return "\n".join([_INTRO, *(_section(model) for model in models.values())])


def _collect(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    """Note a model, then the models of its fields."""
    if model.__name__ in found:
        return
    found[model.__name__] = model
    for info in model.model_fields.values():
        for kind in _leaves(info.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                _collect(kind, found)


def _leaves(annotation: Any) -> list[Any]:
    """Every type that an annotation mentions, containers opened."""
    parts = [part for part in get_args(annotation) if get_origin(annotation) is not Literal]
    if get_origin(annotation) is Annotated:
        parts = parts[:1]
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [annotation]


def _section(model: type[BaseModel]) -> str:
    lines = [f"## {model.__name__}", "", inspect.cleandoc(model.__doc__ or ""), ""]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, info in model.model_fields.items():
        meaning = " ".join((info.description or "").split())
        cells = [f"`{name}`", _type(info), _default(info), meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _type(info: FieldInfo) -> str:
    bounds = [
        _BOUNDS[key].format(_json(getattr(m, key)))
        for m in info.metadata
        for key in _BOUNDS
        if hasattr(m, key)
    ]
    return ", ".join([_spell(info.annotation), *bounds])


def _spell(annotation: Any) -> str:
    """A type in the words of a recipe's author."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _spell(parts[0])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_spell(part) for part in parts)
    if origin is tuple:
        return (
            f"list of {_spell(parts[0])}"
            if parts[-1] is Ellipsis
            else f"list of {len(parts)} x {_spell(parts[0])}"
        )
    if origin is dict:
        return f"mapping of {_spell(parts[0])} to {_spell(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return {int: "integer", float: "number", str: "text", bool: "true or false", NoneType: "null"}[annotation]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default_factory is not None:
        return f"{getattr(info.default_factory, '__name__', 'computed')} defaults"
    return f"`{_json(info.default)}`" if info.default is not PydanticUndefined else ""


def _json(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def write(root: Path) -> None:
    """Write docs/recipe.md and the schema beside the recipes into the checkout at `root`."""
    (root / "docs" / "recipe.md").write_text(recipe_markdown(), encoding="utf-8")
    schema = json.dumps(recipe_schema(), indent=1, ensure_ascii=False)
    (root / "recipes" / SCHEMA_NAME).write_text(schema + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(recipe_folder().parent)
