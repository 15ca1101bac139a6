"""A curve as PNG, SVG and one static HTML page whose points tell their values under the mouse. It measures nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from t2igan.evaluation.curve_points import Curve, CurvePoint, standing_out, words
from t2igan.rasterplot import INK, PAGE, Panel, Place, Spot, draw_panels, paint
from t2igan.report import Report

BEST_RING = 5.5
DIAMOND = ((0, -10), (10, 0), (0, 10), (-10, 0), (0, -10))  # around a knee
SQUARE = ((-7.5, -7.5), (7.5, -7.5), (7.5, 7.5), (-7.5, 7.5), (-7.5, -7.5))  # around psi 1
ROOM = (0.18, 0.08)  # that a name takes, as shares of both ranges
HOVER = 6.0  # radius that a mouse must hit
ANCHORS = {"l": "start", "m": "middle", "r": "end"}
DROPS = {"s": 0.0, "m": 0.35, "a": 0.8}  # of the baseline below the place, in heights of a letter


class SvgCanvas:
    """Lines, dots, words and places that tell something, as the text of an SVG."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._parts = [f"<rect width='{width}' height='{height}' fill='{PAGE}'/>"]

    def line(self, places: Sequence[Place], colour: str, *, width: float = 1.0) -> None:
        """A line through places."""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        self._parts.append(f"<path d='M{path}' fill='none' stroke='{colour}' stroke-width='{width:g}'/>")

    def dot(self, place: Place, colour: str, *, radius: float) -> None:
        """A full circle."""
        self._parts.append(f"<circle {_centre(place)} r='{radius:g}' fill='{colour}'/>")

    def spot(self, place: Place, colour: str, *, radius: float, hover: str) -> None:
        """A ring, or an unseen circle, with a title."""
        stroke = f" stroke='{colour}' stroke-width='2'" if radius else ""
        self._parts.append(
            f"<circle {_centre(place)} r='{radius or HOVER:g}' fill='transparent'{stroke}>"
            f"<title>{escape(hover)}</title></circle>"
        )

    def text(self, place: Place, text: str, *, size: int = 12, colour: str = INK, anchor: str = "ls") -> None:
        """Words with a halo."""
        (x, y), (across, down) = place, anchor
        self._parts.append(
            f"<text x='{x:.1f}' y='{y + DROPS[down] * size:.1f}' font-size='{size}' fill='{colour}' "
            f"text-anchor='{ANCHORS[across]}' paint-order='stroke' stroke='{PAGE}' stroke-width='4'>"
            f"{escape(text)}</text>"
        )

    def svg(self) -> str:
        """The whole picture."""
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self._width} {self._height}' "
            f"width='{self._width}' height='{self._height}' style='max-width: 100%; height: auto' "
            "font-family='system-ui, sans-serif'>" + "".join(self._parts) + "</svg>"
        )


def _centre(place: Place) -> str:
    return f"cx='{place[0]:.1f}' cy='{place[1]:.1f}'"


def curve_panels(curve: Curve) -> list[Panel]:
    """Distance against score, and distance, recall and precision over psi; rings are Pareto points, a diamond the knee, a square psi 1."""
    first = Panel(
        f"{curve.distance} against {curve.score}",
        _series(curve, lambda point: (point.score, point.distance)),
        f"{curve.score} (further right is better)",
        "lower is better",
        x_air=0.05,
        spots=_spots(curve, lambda point: (point.score, point.distance), is_first=True),
    )
    return [first, *(_over_psi(curve, *what) for what in _OVER_PSI)]


_OVER_PSI: tuple[tuple[str, Callable[[CurvePoint], float]], ...] = (
    ("distance", lambda point: point.distance),
    ("recall", lambda point: point.recall),
    ("precision", lambda point: point.precision),
)


def _over_psi(curve: Curve, name: str, value: Callable[[CurvePoint], float]) -> Panel:
    def place(point: CurvePoint) -> Place:
        return point.psi, value(point)

    title = curve.distance if name == "distance" else name
    return Panel(f"{title} over psi", _series(curve, place), "psi (1 = no truncation)", "", from_zero=name != "distance",
                 spots=_spots(curve, place, is_first=False))  # fmt: skip


def _series(curve: Curve, place: Callable[[CurvePoint], Place]) -> dict[str, list[Place]]:
    return {name: [place(p) for p in curve.points if p.model == name] for name in curve.models}


def _spots(curve: Curve, place: Callable[[CurvePoint], Place], *, is_first: bool) -> list[Spot]:
    """Every point tells its values, and knees and psi 1 have frames; the first panel also rings and names the best."""
    marked = list(zip(curve.points, standing_out(curve.points), strict=True))
    names = _names(marked, place) if is_first else [""] * len(marked)
    return [
        Spot(
            point.model,
            *place(point),
            _told(curve, point, marks),
            radius=BEST_RING if is_first and marks["pareto"] else 0.0,
            text=name,
            frame=DIAMOND if marks["knee"] else SQUARE if marks["psi_1"] else (),
        )
        for (point, marks), name in zip(marked, names, strict=True)
    ]


def _names(
    marked: Sequence[tuple[CurvePoint, dict[str, bool]]], place: Callable[[CurvePoint], Place]
) -> list[str]:
    """What stands beside each point: knees first, then psi 1, then other Pareto points where there is room to."""
    places = {i: place(point) for i, (point, _) in enumerate(marked) if all(map(math.isfinite, place(point)))}
    spans = [max(values) - min(values) or 1.0 for values in zip(*places.values(), strict=True)]
    order = sorted(places, key=lambda i: (not marked[i][1]["knee"], not marked[i][1]["psi_1"]))
    found = [""] * len(marked)

    def is_near(a: Place, b: Place) -> bool:
        return all(abs(x - y) <= room * span for x, y, room, span in zip(a, b, ROOM, spans, strict=True))

    for i in order:
        if not any(found[j] and is_near(places[i], places[j]) for j in places):
            found[i] = _name(*marked[i])
    return found


def _name(point: CurvePoint, marks: dict[str, bool]) -> str:
    if marks["knee"]:
        return f"knee, psi {point.psi:g}"
    if marks["psi_1"]:
        return "psi 1"
    return f"{point.psi:g}" if marks["pareto"] else ""


def _told(curve: Curve, point: CurvePoint, marks: dict[str, bool]) -> str:
    knee = " (the knee)" if marks["knee"] else ""
    return (
        f"{point.model}, psi {point.psi:g}{knee}: {curve.distance} {point.distance:.5g}, {curve.score} {point.score:.4f}, "
        f"precision {point.precision:.3f}, recall {point.recall:.3f}"
    )


def curve_title(curve: Curve) -> str:
    """What is drawn, with the numbers of pictures."""
    facts = curve.facts
    return f"{curve.distance} and {curve.score} over psi, {facts['n']} captions, {facts['reference']['count']} real"


def curve_png(curve: Curve) -> bytes:
    """The bytes of a PNG."""
    return draw_panels(curve_panels(curve), title=curve_title(curve))


def curve_svg(curve: Curve) -> str:
    """The text of an SVG, whose points have titles."""
    return paint(SvgCanvas, curve_panels(curve), title=curve_title(curve)).svg()


def curve_page(curve: Curve) -> Report:
    """Plot, table, and how it was made."""
    report = Report("t2igan eval curve")
    report.section("Curve")
    report.drawing(f"<div class='wide'>{curve_svg(curve)}</div>")
    report.text("A ring marks a Pareto point: no other point has a lower distance and a higher score. A diamond marks a "
                "model's knee: the Pareto point furthest from the straight line between its lowest distance and its highest "
                "score, both scaled to 1. A square marks psi 1. Hold the mouse over a point for its values.")  # fmt: skip
    for text in curve.facts["warnings"]:
        report.text(f"**Note:** {text}")
    report.section("Values")
    header = ["model", "psi", curve.distance, curve.score, "precision", "recall", "marks"]
    report.table([[p.model, f"{p.psi:g}", p.distance, p.score, p.precision, p.recall, words(marks)]
                  for p, marks in zip(curve.points, standing_out(curve.points), strict=True)], header)  # fmt: skip
    report.section("How it was made")
    report.table([[name, str(value)] for name, value in curve.facts.items()], ["what", "value"])
    return report
