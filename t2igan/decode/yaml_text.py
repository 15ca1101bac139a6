"""YAML text -> Tree. Knows YAML, not what the keys mean.

Only the types of JSON exist: `1e-4` is a float, true and false are the only bools, and `010`, `1:30`, `no` and
`2024-01-01` are text. Anchors, aliases, merge keys and tags are refused: a recipe is read from top to bottom.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from t2igan.decode.tree import Origin, Path, Problem, Tree, number
from t2igan.errors import RecipeError

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
_TAG = "tag:yaml.org,2002:"
_QUOTES = "values that start with one of * & ! % @ { [ or hold ': ' or ' #' need quotes"


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML that a recipe may not use."""


class _Loader(yaml.SafeLoader):
    """Composes nodes; their types come from the resolvers below, their values from `_Builder`."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML's class attribute, emptied of YAML 1.1
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(problem="anchors and aliases are not allowed", problem_mark=event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise _RefusedError(problem=f"nested over {MAX_DEPTH} levels deep", problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _name, _pattern, _first in (
    ("bool", r"(?:true|false)$", "tf"),
    ("null", r"(?:null|~|)$", ["n", "~", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list(_first))


def parse_yaml(text: str, *, source: str, line: int | None = None) -> Tree:
    """Parse YAML text into a Tree; None where the text is empty.

    Args:
        text: at most 1 MB.
        source: what error lines call the text.
        line: the line that everything gets; None = its own.

    Raises:
        RecipeError: if the text is no YAML. Lesser problems (a key set twice) are kept in the tree.
    """
    if len(text) > MAX_CHARACTERS:
        raise RecipeError(f"{source}: {len(text):,} characters; a recipe has at most {MAX_CHARACTERS:,}")

    def place(mark: Any) -> Origin:
        return Origin(source, mark.line + 1 if line is None else line)

    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        number_of_line = text.count("\n", 0, error.position) + 1 if line is None else line
        why = f"character U+{ord(text[error.position]):04X} is not allowed"
        raise RecipeError(str(Problem(Origin(source, number_of_line), (), why))) from error
    except yaml.MarkedYAMLError as error:
        raise RecipeError(str(Problem(place(error.problem_mark), (), _syntax(error)))) from error
    builder = _Builder(place, Tree(None, {(): Origin(source, 1 if line is None else line)}))
    builder.tree.data = None if node is None else builder.value(node, ())
    return builder.tree


def _syntax(error: yaml.MarkedYAMLError) -> str:
    if "'\\t'" in str(error.problem):
        return "a tab cannot indent YAML; use spaces"
    if isinstance(error, _RefusedError):
        return f"{error.problem}; {_QUOTES}"
    begun = f" (begun on line {error.context_mark.line + 1})" if error.context_mark else ""
    context = f"{error.context}{begun}, " if error.context else ""
    return f"not valid YAML: {context}{error.problem}; {_QUOTES}"


class _Builder:
    """Turns nodes into plain data, and notes origins and problems."""

    def __init__(self, place: Callable[[Any], Origin], tree: Tree) -> None:
        self.place = place
        self.tree = tree

    def value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self._entry(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return self._unreadable(node, path, self._tag_problem(node))

    def _entry(self, node: yaml.Node, path: Path) -> Any:
        self.tree.origins[path] = self.place(node.start_mark)
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in data:
                why = "a key must be a single word" if key is None else f"{key!r} is set twice"
                self.tree.problems.append(Problem(self.place(key_node.start_mark), path, why))
                continue
            self.tree.origins[(*path, key)] = self.place(key_node.start_mark)
            data[key] = self.value(value_node, (*path, key))
        return data

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return node.value
        if kind == "null":
            return None
        if kind == "bool" and node.value in ("true", "false"):
            return node.value == "true"
        if kind not in ("int", "float"):
            return self._unreadable(node, path, self._tag_problem(node))
        try:
            return number(node.value)
        except ValueError as error:
            return self._unreadable(node, path, str(error))

    def _tag_problem(self, node: yaml.Node) -> str:
        return f"the tag {node.tag.replace(_TAG, '!!')!r} is not allowed"

    def _unreadable(self, node: yaml.Node, path: Path, text: str) -> None:
        self.tree.problems.append(Problem(self.place(node.start_mark), path, text))
        self.tree.unreadable.add(path)
