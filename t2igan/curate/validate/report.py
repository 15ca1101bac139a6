"""What was found, gathered over any number of shards: every kind with its totals, and the first places of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from heapq import heappush, heappushpop
from typing import Any

from t2igan.curate.validate.findings import Finding
from t2igan.curate.validate.kinds import KINDS

MAX_PLACES = 100  # shards that a report names for a kind; the others are counted


@dataclass(frozen=True)
class _Place:
    """A finding and where; the last place comes first, so that a heap gives that one up."""

    where: str
    finding: Finding

    def __lt__(self, other: _Place) -> bool:
        return (self.where, repr(self.finding)) > (other.where, repr(other.finding))


@dataclass
class _Total:
    """One kind over all places."""

    count: int = 0
    places: int = 0
    first: list[_Place] = field(default_factory=list)  # a heap


class Report:
    """Collects findings in any order; what it says does not depend on the order."""

    def __init__(self) -> None:
        self._totals: dict[str, _Total] = {}

    def add(self, where: str, findings: Sequence[Finding]) -> None:
        """The findings of one shard or folder; a place may have several of a kind."""
        for finding in findings:
            total = self._totals.setdefault(finding.what, _Total())
            total.count += finding.count
            total.places += 1
            if len(total.first) < MAX_PLACES:
                heappush(total.first, _Place(where, finding))
            else:
                heappushpop(total.first, _Place(where, finding))

    def count(self, level: str) -> int:
        """How many errors or remarks there are."""
        return sum(total.count for what, total in self._totals.items() if KINDS[what].level == level)

    def kinds(self) -> list[dict[str, Any]]:
        """[{"level", "what", "count", "shards", "fix", "where": [{"shard", "count", "samples"}]}], errors first."""
        order = list(KINDS)
        names = sorted(self._totals, key=lambda what: (KINDS[what].level, order.index(what)))
        return [self._kind(what) for what in names]

    def _kind(self, what: str) -> dict[str, Any]:
        total, kind = self._totals[what], KINDS[what]
        where = [
            {
                "shard": place.where,
                "count": place.finding.count,
                "samples": [asdict(e) for e in place.finding.examples],
            }
            for place in sorted(total.first, reverse=True)
        ]
        return {
            "level": kind.level,
            "what": what,
            "count": total.count,
            "shards": total.places,
            "fix": kind.fix,
            "where": where,
        }
