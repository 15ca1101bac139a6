"""`--set a.b=value`: writes one value into a Tree before it is validated. Does not know which keys exist."""

from __future__ import annotations

from typing import Any

from t2igan.decode.tree import NO_LINE, Origin, Path, Tree
from t2igan.decode.yaml_text import parse_yaml
from t2igan.errors import RecipeError


def override(tree: Tree, assignment: str) -> None:
    """Apply one `a.b=value` assignment in place; sections that are missing or null are created.

    Args:
        tree: what the file says; its top level is a mapping.
        assignment: keys joined by dots, list entries by number (`stages.0.kimg=5`); the value is YAML.

    Raises:
        RecipeError: if it has no `=`, no key, a value that is no YAML, or a path through a plain value.
    """
    key, equals, text = assignment.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise RecipeError(f"--set {assignment}: write --set KEY=VALUE, for example --set train.batch=64")
    source = f"--set {key}"
    value = parse_yaml(text, source=source, line=NO_LINE)
    path = _assign(tree, key.split("."), value.data, Origin(source))
    _forget(tree, path)
    tree.origins |= {path + below: origin for below, origin in value.origins.items()}
    tree.problems += [problem._replace(path=path + problem.path) for problem in value.problems]
    tree.unreadable |= {path + below for below in value.unreadable}


def _forget(tree: Tree, path: Path) -> None:
    """Drop what was noted about a value that is replaced."""

    def is_kept(other: Path) -> bool:
        return other[: len(path)] != path

    tree.origins = {other: origin for other, origin in tree.origins.items() if is_kept(other)}
    tree.problems = [problem for problem in tree.problems if is_kept(problem.path)]
    tree.unreadable = {other for other in tree.unreadable if is_kept(other)}


def _assign(tree: Tree, keys: list[str], value: Any, origin: Origin) -> Path:
    section, path = tree.data, ()
    for key in keys[:-1]:
        step = _step(section, key, path, origin)
        path = (*path, step)
        if isinstance(section, dict) and section.get(step) is None:
            section[step] = {}
            tree.origins.setdefault(path, origin)
        section = section[step]
    step = _step(section, keys[-1], path, origin)
    section[step] = value
    return (*path, step)


def _step(section: Any, key: str, path: Path, origin: Origin) -> Any:
    """The key itself in a mapping, the number that it spells in a list."""
    where = ".".join(map(str, path))
    if isinstance(section, dict):
        return key
    if not isinstance(section, list):
        raise RecipeError(f"{origin}: {where} is a plain value and has no key {key!r} to set")
    if not key.isdecimal() or int(key) >= len(section):
        known = f"0 to {len(section) - 1}" if section else "none, as it is empty"
        raise RecipeError(f"{origin}: {where} is a list and has no entry {key!r}; its entries are {known}")
    return int(key)
