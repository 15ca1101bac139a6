"""The base of every typed section of a recipe or checkpoint header. Torch-free."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Frozen, strict about keys. A string under each field is its documentation: docs/recipe.md is made from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
