"""pydantic's errors -> lines that a person can act on: file, line, section, nearest name. Validates nothing itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from t2igan.decode.tree import Path, Problem, Tree
from t2igan.errors import nearest

_NOUNS = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "model_type": "a section of `key: value` lines",
    "model_attributes_type": "a section of `key: value` lines",
    "dict_type": "a section of `key: value` lines",
    "tuple_type": "a list",
    "list_type": "a list",
}
_COUNTS = {"too_short": "at least {min_length}", "too_long": "at most {max_length}"}


@dataclass(frozen=True)
class _Place:
    """What stands at an error: the path of real keys, the types it may have, and the model that owns its last key."""

    path: Path
    kinds: list[Any]
    owner: Any


def explain(error: ValidationError, model_type: Any, tree: Tree) -> list[Problem]:
    """One Problem for each pydantic error; errors of union branches that were not meant are left out."""
    problems, items = [], error.errors(include_url=False)
    for item in items:
        place = _locate(item["loc"], model_type, tree.data)
        if place is None or place.path in tree.unreadable or _is_consequence(item, items):
            continue
        path, text = _describe(item, place)
        problems.append(Problem(tree.origin(place.path), path, text))
    return problems


def _is_consequence(item: Any, items: Sequence[Any]) -> bool:
    """Whether a list is called too short only because pydantic did not count a broken entry."""
    depth = len(item["loc"])
    broken = [other for other in items if other is not item and other["loc"][:depth] == item["loc"]]
    return item["type"] in _COUNTS and bool(broken)


def _describe(item: Any, place: _Place) -> tuple[Path, str]:
    """The path to show, and what is wrong there."""
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    path = place.path
    if kind == "extra_forbidden":
        return path[:-1], _unknown_key(str(path[-1]), place.owner.model_fields)
    if kind == "missing":
        return path[:-1], _missing_key(path[-1], place.owner)
    if kind == "literal_error":
        return path, _not_one_of(value, re.findall(r"'([^']*)'", context["expected"]))
    if kind == "union_tag_invalid":
        key = _tag_key(place.kinds)
        return (*path, key), _not_one_of(value.get(key), [_tags(k)[key] for k in place.kinds])
    if kind == "union_tag_not_found":
        key = _tag_key(place.kinds)
        return path, f"key {key!r} is missing; it is one of {', '.join(_tags(k)[key] for k in place.kinds)}"
    if kind == "value_error":
        return path, str(context["error"])
    return path, _must_be(kind, value, context, item["msg"])


def _unknown_key(key: str, known: Iterable[str]) -> str:
    names = list(known)
    return f"unknown key {key!r}{nearest(key, names) or '; known: ' + ', '.join(names)}"


def _missing_key(key: str | int, owner: Any) -> str:
    if isinstance(key, int):
        return f"entry {key} is missing"
    meaning = owner.model_fields[key].description or ""
    return f"key {key!r} is missing" + (f" ({meaning.rstrip('.')})" if meaning else "")


def _not_one_of(value: Any, known: Sequence[str]) -> str:
    if len(known) == 1:
        return f"{_shown(value)} is not {known[0]!r}, the only choice here"
    return f"{_shown(value)} is not one of {', '.join(known)}{nearest(str(value), known)}"


def _must_be(kind: str, value: Any, context: dict[str, Any], message: str) -> str:
    if kind in _COUNTS:
        return f"has {context['actual_length']} entries, needs {_COUNTS[kind].format(**context)}"
    noun = _NOUNS.get(kind) or message.removeprefix("Input should be ")
    if noun == message:
        return message[0].lower() + message[1:]
    quotes = "; put it in quotes" if kind == "string_type" and isinstance(value, int | float) else ""
    return f"must be {noun}, not {_shown(value)}{quotes}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _locate(loc: Sequence[str | int], model_type: Any, data: Any) -> _Place | None:
    """Follow pydantic's `loc`, which mixes keys with names of union branches, down types and data together.

    Returns:
        None if `loc` goes through a branch of a plain union other than the one that fits the data best.
    """
    kinds, path, owner = _branches(model_type), (), None
    for part in loc:
        if len(kinds) > 1:
            branch = _named(kinds, str(part))
            if _is_plain(branch, str(part)) and branch is not _closest(kinds, data):
                return None
            kinds = [branch]
            continue
        owner = kinds[0]
        path = (*path, part)
        kinds = _branches(_child(owner, part))
        data = _item(data, part)
    return _Place(path, kinds, owner)


def _branches(annotation: Any) -> list[Any]:
    """The types that a value may have, unions and Annotated opened, None left out."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _branches(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [kind for part in get_args(annotation) if part is not NoneType for kind in _branches(part)]
    return [annotation]


def _named(kinds: list[Any], label: str) -> Any:
    """The branch that pydantic calls `label`: a tag, or the type's name."""
    for kind in kinds:
        if _is_plain(kind, label) or label in _tags(kind).values():
            return kind
    return kinds[0]


def _is_plain(kind: Any, label: str) -> bool:
    """Whether pydantic calls a branch by its type's name: `str`, `HashingConfig`, `tuple[SourceConfig, ...]`."""
    return label.partition("[")[0] == getattr(kind, "__name__", None)


def _closest(kinds: list[Any], data: Any) -> Any:
    """The list for a list; else the model whose tags and keys agree most with the data."""

    def agreement(kind: Any) -> tuple[bool, int]:
        keys = data if isinstance(data, dict) else {}
        is_list = isinstance(data, list) and get_origin(kind) in (list, tuple)
        tagged = any(keys.get(key) == tag for key, tag in _tags(kind).items())
        return is_list or tagged, sum(key in getattr(kind, "model_fields", {}) for key in keys)

    return max(kinds, key=agreement)


def _tags(kind: Any) -> dict[str, str]:
    """Fields of a model that have a single allowed value."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    fields = {name: info.annotation for name, info in kind.model_fields.items()}
    return {
        name: get_args(t)[0]
        for name, t in fields.items()
        if get_origin(t) is Literal and len(get_args(t)) == 1
    }


def _tag_key(kinds: list[Any]) -> str:
    """The key that tells the branches of a tagged union apart."""
    return next(key for key in _tags(kinds[0]) if all(key in _tags(kind) for kind in kinds))


def _child(kind: Any, part: str | int) -> Any:
    """The declared type of a field, list entry or dict value; Any where there is none."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        info = kind.model_fields.get(str(part))
        return Any if info is None else info.annotation
    arguments = [a for a in get_args(kind) if a is not Ellipsis]
    if get_origin(kind) is dict:
        return arguments[1]
    index = part if isinstance(part, int) and part < len(arguments) else -1
    return arguments[index] if arguments else Any


def _item(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None
