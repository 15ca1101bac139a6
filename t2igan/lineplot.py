"""Curves as inline SVG text with axes, ticks, legend and hover titles. Not a plotting library: lines only, no scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]
Marks = Sequence[tuple[float, str]]

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 44
NUM_COLOURS = 8  # classes c0..c7 of the report's style sheet
MAX_MARKERS = 60  # hover points a curve; the line itself keeps every point


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten) within [low, high]."""
    step_at_least = (high - low) / count
    power = 10 ** math.floor(math.log10(step_at_least))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= step_at_least * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]


def line_plot(
    title: str,
    series: Mapping[str, Points],
    *,
    x_label: str,
    y_label: str,
    marks: Marks = (),
    from_zero: bool = False,
) -> str:
    """A `<figure>` with one line a series; points that are not finite are left out.

    Args:
        title: heading of the figure.
        series: name -> (x, y) points in drawing order.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        marks: (x, text) of upright dashed lines; those outside the curves are left out.
        from_zero: whether the axis of values that are never negative begins at 0.
    """
    kept = {name: finite(points) for name, points in series.items()}
    kept = {name: points for name, points in kept.items() if points}
    heading = f"<figcaption>{escape(title)}</figcaption>"
    if not kept:
        return f"<figure class='plot'>{heading}<p>no points to draw</p></figure>"
    everything = [point for points in kept.values() for point in points]
    x_range = padded([x for x, _ in everything], 0.0)
    y_range = value_range(everything, from_zero=from_zero)
    curves = "".join(
        _curve(name, i % NUM_COLOURS, points, x_range, y_range)
        for i, (name, points) in enumerate(kept.items())
    )
    legend = "".join(
        f"<span><i class='c{i % NUM_COLOURS}'></i>{escape(name)}</span>" for i, name in enumerate(kept)
    )
    inside = _axes(x_range, y_range, x_label, y_label) + curves
    inside += "".join(_mark(*mark, x_range) for mark in marks)
    svg = f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(title)}'>{inside}</svg>"
    return f"<figure class='plot'>{heading}<div class='legend'>{legend}</div>{svg}</figure>"


def finite(points: Points) -> list[tuple[float, float]]:
    """The points whose x and y are finite."""
    return [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def value_range(points: Points, *, from_zero: bool) -> tuple[float, float]:
    """Of the axis of y: 5 % of air above and below; or from 0 on."""
    values = [y for _, y in points]
    if not from_zero:
        return padded(values, 0.05)
    return 0.0, padded([0.0, *values], 0.05)[1]


def padded(values: Sequence[float], share: float) -> tuple[float, float]:
    """Range of `values`, widened by `share` of it on both sides; never empty."""
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        margin = abs(low) * 0.1 or 1.0
        return low - margin, high + margin
    return low - share * (high - low), high + share * (high - low)


def _x(value: float, bounds: tuple[float, float]) -> float:
    return LEFT + (value - bounds[0]) / (bounds[1] - bounds[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, bounds: tuple[float, float]) -> float:
    return HEIGHT - BOTTOM - (value - bounds[0]) / (bounds[1] - bounds[0]) * (HEIGHT - TOP - BOTTOM)


def _axes(x_range: tuple[float, float], y_range: tuple[float, float], x_label: str, y_label: str) -> str:
    base = HEIGHT - BOTTOM
    parts = []
    for value in ticks(*y_range):
        y = _y(value, y_range)
        parts.append(f"<line class='rule' x1='{LEFT}' y1='{y:.1f}' x2='{WIDTH - RIGHT}' y2='{y:.1f}'/>")
        parts.append(f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{value:.6g}</text>")
    for value in ticks(*x_range):
        x = _x(value, x_range)
        parts.append(f"<line class='axis' x1='{x:.1f}' y1='{base}' x2='{x:.1f}' y2='{base + 4}'/>")
        parts.append(f"<text x='{x:.1f}' y='{base + 17}' text-anchor='middle'>{value:.6g}</text>")
    parts.append(f"<path class='axis' d='M{LEFT} {TOP}V{base}H{WIDTH - RIGHT}'/>")
    middle = (TOP + base) / 2
    parts.append(
        f"<text x='{(LEFT + WIDTH - RIGHT) / 2}' y='{HEIGHT - 6}' text-anchor='middle'>{escape(x_label)}</text>"
        f"<text x='14' y='{middle}' transform='rotate(-90 14 {middle})' text-anchor='middle'>{escape(y_label)}</text>"
    )
    return "".join(parts)


def _mark(value: float, text: str, x_range: tuple[float, float]) -> str:
    if not x_range[0] <= value <= x_range[1]:
        return ""
    x = _x(value, x_range)
    return (
        f"<line class='mark' x1='{x:.1f}' y1='{TOP}' x2='{x:.1f}' y2='{HEIGHT - BOTTOM}'/>"
        f"<text x='{x + 4:.1f}' y='{TOP + 10}'>{escape(text)}</text>"
    )


def _curve(
    name: str, colour: int, points: Points, x_range: tuple[float, float], y_range: tuple[float, float]
) -> str:
    places = [(_x(x, x_range), _y(y, y_range)) for x, y in points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    every = math.ceil(len(points) / MAX_MARKERS)
    shown = sorted({*range(0, len(points), every), len(points) - 1})
    markers = "".join(
        f"<circle cx='{places[i][0]:.1f}' cy='{places[i][1]:.1f}' r='3'>"
        f"<title>{escape(name)}: {points[i][0]:.6g}, {points[i][1]:.6g}</title></circle>"
        for i in shown
    )
    return f"<g class='c{colour}'><path d='M{path}'><title>{escape(name)}</title></path>{markers}</g>"
