"""YAML or JSON text -> pydantic models: strict, with line numbers and the nearest key. Torch-free; reads no files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from t2igan.decode.explain import explain
from t2igan.decode.overrides import override
from t2igan.decode.tree import Problem, Tree, parse_json
from t2igan.decode.yaml_text import parse_yaml
from t2igan.errors import RecipeError


def decode_yaml(text: str, model_type: Any, *, source: str, overrides: Sequence[str] = ()) -> Any:
    """Decode YAML text, with `a.b=value` overrides applied first.

    Args:
        text: the whole file; one mapping, at most 1 MB, no anchors or aliases.
        model_type: a pydantic model, or an Annotated union of models.
        source: what error lines call the text, usually the file's path.
        overrides: `a.b=value` assignments; the value is YAML, list entries are addressed as `stages.0.kimg=5`,
            and the last assignment of a key wins.

    Returns:
        An instance of the model type.

    Raises:
        RecipeError: one line a problem, as `SOURCE:LINE: SECTION: what is wrong; did you mean ...`.
    """
    tree = parse_yaml(text, source=source)
    if not isinstance(tree.data, dict):
        raise RecipeError(f"{source}:1: {_no_mapping(tree.data)}; expected `key: value` lines")
    for assignment in overrides:
        override(tree, assignment)
    return _validate(tree, model_type)


def decode_json(text: str, model_type: Any, *, source: str) -> Any:
    """Decode JSON text as strictly as YAML. Problems name keys, not lines: our JSON is one line long.

    Raises:
        RecipeError: one line a problem, as `SOURCE: SECTION: what is wrong; did you mean ...`.
    """
    return _validate(parse_json(text, source=source), model_type)


def _no_mapping(data: Any) -> str:
    if data is None:
        return "the file is empty"
    return "the top level is a list" if isinstance(data, list) else "the top level is a single value"


def _validate(tree: Tree, model_type: Any) -> Any:
    problems = list(tree.problems)
    model = None
    try:
        # By way of JSON, where strict means: a list may become a tuple and 1 a float, but never "64" or true a number.
        model = TypeAdapter(model_type).validate_json(json.dumps(tree.data), strict=True)
    except ValidationError as error:
        problems += explain(error, model_type, tree)
    if problems:
        raise RecipeError("\n".join(dict.fromkeys(str(problem) for problem in sorted(problems, key=_line))))
    return model


def _line(problem: Problem) -> int:
    return problem.origin.line
