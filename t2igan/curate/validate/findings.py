"""Counting what is found: by kind, with a few examples. Knows no kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

EXAMPLES = 3  # samples that a finding names; the others are counted
MAX_TEXT = 160  # characters of a name or detail that comes from the data


@dataclass(frozen=True)
class Example:
    """One sample, member or file, and what is wrong with it in particular."""

    sample: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """One kind of trouble in one place."""

    what: str  # one of KINDS
    count: int
    examples: tuple[Example, ...]


class Findings:
    """Collects the findings of one place."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[Example]] = {}

    def add(self, what: str, sample: str = "", detail: object = "", *, count: int = 1) -> None:
        """Count one; names and details may be hostile."""
        self._counts[what] = self._counts.get(what, 0) + count
        examples = self._examples.setdefault(what, [])
        if len(examples) < EXAMPLES:
            examples.append(Example(printable(sample), printable(str(detail))))

    def all(self) -> list[Finding]:
        """In the order in which each kind first came up."""
        return [Finding(what, count, tuple(self._examples[what])) for what, count in self._counts.items()]


def to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """As JSON."""
    return [asdict(finding) for finding in findings]


def from_json(found: Sequence[dict[str, Any]]) -> list[Finding]:
    """The reverse of `to_json`."""
    return [
        Finding(
            str(f["what"]), int(f["count"]), tuple(Example(e["sample"], e["detail"]) for e in f["examples"])
        )
        for f in found
    ]


def printable(text: str) -> str:
    """A text from the data without anything that a terminal would obey, cut where it is long."""
    plain = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text[: MAX_TEXT + 1]
    )
    return plain if len(plain) <= MAX_TEXT else f"{plain[: MAX_TEXT - 3]}..."
