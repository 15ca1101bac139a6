"""Published numbers of zero-shot MS-COCO, and which of them may stand beside one's own. Refuses to mix protocols."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from t2igan.errors import UsageError

FILE = "published.toml"
OTHER = "other protocol"
PAPERS = {"own": "the paper's own", "unknown": "not told"}  # protocols that are none of ours
Measure = Literal["fid", "clip_score"]


@dataclass(frozen=True)
class Row:
    """A number that somebody printed."""

    model: str
    metric: Measure
    value: float
    resolution: int
    protocol: str  # one of ours, or a word of PAPERS
    source: str
    kind: str = ""
    parameters: str = ""
    seconds: float | None = None
    note: str = ""

    @property
    def measured_by(self) -> str:
        """Its protocol, to be read."""
        return PAPERS.get(self.protocol, self.protocol)


@dataclass(frozen=True)
class Placed:
    """A row of a table, whose number stands in exactly one of two columns."""

    row: Row
    same: float | None  # measured by the protocol that was asked for
    other: float | None  # by another one: no comparison
    mark: str  # "" or "other protocol"


@cache
def published() -> tuple[Row, ...]:
    """Everything that is shipped."""
    text = resources.files("t2igan.evaluation.coco").joinpath(FILE).read_text(encoding="utf-8")
    return tuple(Row(**row) for row in tomllib.loads(text)["row"])


def place(protocol: str, resolution: int, metric: Measure) -> list[Placed]:
    """All numbers of a size, those of the same protocol first, each in the column where it belongs."""
    rows = [row for row in published() if (row.resolution, row.metric) == (resolution, metric)]
    placed = [_placed(row, row.protocol == protocol) for row in rows]
    return sorted(placed, key=lambda line: (line.same is None, line.row.value))


def beside(result: Mapping[str, Any], metric: Measure) -> list[Placed]:
    """The numbers to show beside a result of `eval coco`.

    Raises:
        UsageError: if the result was not made by the protocol that it names, so that nothing published compares.
    """
    obstacles = result["obstacles"][metric]
    if obstacles:
        raise UsageError(
            f"this {metric} compares with no published number: {'; '.join(obstacles)}. Measure by the protocol's own recipe."
        )
    return place(result["protocol"], result["resolution"], metric)


def _placed(row: Row, is_same: bool) -> Placed:
    return Placed(row, row.value, None, "") if is_same else Placed(row, None, row.value, OTHER)
