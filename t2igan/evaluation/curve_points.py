"""Points of curves over truncation, which of them stand out, and their table as CSV. Not how they are measured."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NO_TRUNCATION = 1.0  # psi
ROUNDING = 1e-9  # a lead over the chord that is none


@dataclass(frozen=True)
class CurvePoint:
    """One model at one psi."""

    model: str
    psi: float
    distance: float
    score: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Curve:
    """Points in the order of models and psis, and how they were made, as JSON."""

    points: list[CurvePoint]
    distance: str  # names of the two metrics
    score: str
    facts: dict[str, Any]

    @property
    def models(self) -> list[str]:
        """Names, in order."""
        return list(dict.fromkeys(point.model for point in self.points))


def pareto(points: Sequence[CurvePoint]) -> list[bool]:
    """Whether no other point is at least as good in distance and score, and better in one of them."""

    def beats(a: CurvePoint, b: CurvePoint) -> bool:
        is_as_good = a.distance <= b.distance and a.score >= b.score
        return is_as_good and (a.distance < b.distance or a.score > b.score)

    def is_finite(point: CurvePoint) -> bool:
        return math.isfinite(point.distance) and math.isfinite(point.score)

    return [is_finite(point) and not any(beats(other, point) for other in points) for point in points]


def knees(points: Sequence[CurvePoint]) -> list[bool]:
    """Whether a point is its model's knee: from there on, score costs more distance than it did before.

    Of one model's own Pareto points, distance and score are scaled to 0 at the point of lowest distance and to 1 at that
    of highest score. The knee is the point between them that lies furthest from the straight line through these two, on
    the side of more score and less distance. A model has none where no point lies on that side, so with fewer than three
    Pareto points too.
    """
    found = {_knee([point for point in points if point.model == name]) for name in {p.model for p in points}}
    return [point in found for point in points]


def _knee(points: Sequence[CurvePoint]) -> CurvePoint | None:
    """Of one model."""
    best = sorted(
        (point for point, is_best in zip(points, pareto(points), strict=True) if is_best),
        key=lambda point: point.distance,
    )
    if len(best) < 3 or best[0].distance == best[-1].distance:
        return None

    def lead(point: CurvePoint) -> float:
        """The distance from the line, times the root of two."""
        score = (point.score - best[0].score) / (best[-1].score - best[0].score)
        return score - (point.distance - best[0].distance) / (best[-1].distance - best[0].distance)

    furthest = max(best, key=lead)
    return furthest if lead(furthest) > ROUNDING else None


def standing_out(points: Sequence[CurvePoint]) -> list[dict[str, bool]]:
    """Of each point whether it is a Pareto point, a knee, and without truncation; by the names of the table's columns."""
    marks = zip(points, pareto(points), knees(points), strict=True)
    return [
        {"pareto": is_best, "knee": is_knee, "psi_1": point.psi == NO_TRUNCATION}
        for point, is_best, is_knee in marks
    ]


def words(marks: dict[str, bool]) -> str:
    """What `standing_out` says of a point, to be read."""
    names = {"pareto": "Pareto", "knee": "knee", "psi_1": "psi 1"}
    return ", ".join(text for name, text in names.items() if marks[name])


def as_csv(curve: Curve) -> str:
    """One line a point; the columns are called as the metrics are. Floats decode to the same bits."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    marks = standing_out(curve.points)
    columns = ["model", "psi", curve.distance, curve.score, "precision", "recall"]
    writer.writerow([*columns, "pareto", "knee", "psi_1"])
    for point, told in zip(curve.points, marks, strict=True):
        values = (point.psi, point.distance, point.score, point.precision, point.recall)
        writer.writerow([point.model, *map(repr, values), *map(int, told.values())])
    return target.getvalue()
