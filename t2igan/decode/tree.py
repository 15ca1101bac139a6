"""Plain data that remembers where each key was written, and JSON text -> such data. Does not know what keys mean."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from t2igan.errors import RecipeError

Path = tuple[str | int, ...]

NO_LINE = 1 << 30  # sorts behind every line of a file
MAX_INTEGER = 2**63


class Origin(NamedTuple):
    """Where a key was written: a line of a file, or a command-line option."""

    source: str
    line: int = NO_LINE

    def __str__(self) -> str:
        return self.source if self.line == NO_LINE else f"{self.source}:{self.line}"


class Problem(NamedTuple):
    """One thing that is wrong, at a path of keys."""

    origin: Origin
    path: Path
    text: str

    def __str__(self) -> str:
        where = ".".join(map(str, self.path))
        return f"{self.origin}: {where}: {self.text}" if where else f"{self.origin}: {self.text}"


@dataclass
class Tree:
    """Plain data, the origin of every key and list entry in it, and what was wrong with the text."""

    data: Any
    origins: dict[Path, Origin]
    problems: list[Problem] = field(default_factory=list)
    unreadable: set[Path] = field(default_factory=set)  # values that are None because of a problem

    def origin(self, path: Path) -> Origin:
        """Where `path`, or else the nearest section around it, was written."""
        while path not in self.origins:
            path = path[:-1]
        return self.origins[path]


def number(text: str) -> int | float:
    """Read a decimal number.

    Raises:
        ValueError: if it is none, not finite, or an integer beyond 64 bits.
    """
    value, is_integer = float(text), re.fullmatch(r"[-+]?[0-9]+", text)
    if not math.isfinite(value) or (is_integer and abs(value) >= MAX_INTEGER):
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise ValueError(f"the number {shown} is too large or not finite")
    return int(text) if is_integer else value


def parse_json(text: str, *, source: str) -> Tree:
    """Parse JSON text into a Tree whose every origin is `source`.

    Raises:
        RecipeError: if the text is not JSON.
    """
    tree = Tree(None, {(): Origin(source)})

    def mapping(items: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, times in Counter(key for key, _ in items).items() if times > 1]
        tree.problems += [Problem(Origin(source), (), f"{key!r} is set twice") for key in twice]
        return dict(items)

    try:
        tree.data = json.loads(
            text, object_pairs_hook=mapping, parse_int=number, parse_float=number, parse_constant=number
        )
    except RecursionError as error:
        raise RecipeError(f"{source}: not valid JSON: nested too deeply") from error
    except ValueError as error:
        raise RecipeError(f"{source}: not valid JSON: {error}") from error
    return tree
