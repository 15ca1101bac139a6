"""Captions in pairs that differ in one thing: what a pair is, and the files that hold pairs. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from t2igan.data.grammar import Scene
from t2igan.errors import DataError

GENERAL = Path(__file__).with_name("general.jsonl")
KEYS = ("category", "caption", "swapped")


@dataclass(frozen=True)
class Pair:
    """A caption to draw, and one that says one thing otherwise."""

    category: str
    caption: str
    swapped: str
    scene: Scene | None = None  # what the caption says, where it is one of shapes
    swapped_scene: Scene | None = None

    def reversed(self) -> Pair:
        """The other caption is drawn."""
        return Pair(self.category, self.swapped, self.caption, self.swapped_scene, self.scene)


def both_ways(pairs: Sequence[Pair]) -> list[Pair]:
    """Every pair, and then its reverse: a scorer that looks at captions alone is right in exactly one of the two."""
    return [one for pair in pairs for one in (pair, pair.reversed())]


def read_pairs(path: Path = GENERAL) -> list[Pair]:
    """The pairs of a JSONL file, each line with `category`, `caption` and `swapped`.

    Raises:
        DataError: naming the line that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Give a file of JSON lines.") from error
    pairs = [_pair(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not pairs:
        raise DataError(f"{path}: holds no pairs. Give one JSON object with {', '.join(KEYS)} a line.")
    return pairs


def _pair(line: str, where: str) -> Pair:
    try:
        found = json.loads(line)
        values = [found[key] for key in KEYS]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where}: no JSON object with {', '.join(KEYS)}.") from error
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise DataError(f"{where}: {', '.join(KEYS)} are texts that are not empty.")
    if values[1].split() == values[2].split():
        raise DataError(f"{where}: the two captions are the same. Say one thing otherwise in `swapped`.")
    return Pair(*values)
