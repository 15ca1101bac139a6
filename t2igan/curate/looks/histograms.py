"""Histograms, scatters and waterfalls as inline SVG for a report. Axes and ticks are lineplot.py's; no scripts.

Colours by class: c0 kept, c1 dropped by the rule that is shown, c7 dropped by others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from t2igan.lineplot import ticks

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 44
BINS = 48
TAIL = 0.002  # share of the values on each side that may lie outside the axis, counted in its last bar
KEPT, BY_RULE, BY_OTHERS = "c0", "c1", "c7"
MAX_POINTS = 1500

Layers = Sequence[tuple[str, str, np.ndarray]]  # class, name, values; drawn from the bottom up
Cuts = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)


def histogram(title: str, layers: Layers, *, x_label: str, cuts: Cuts = (), is_whole: bool = False) -> str:
    """A `<figure>` of stacked bars.

    Args:
        title: heading of the figure.
        layers: what is stacked; values that are not finite are left out.
        x_label: what is counted, with its unit.
        cuts: (value, text) of upright lines: the limits of a rule.
        is_whole: the values are whole numbers, so that a bar is never narrower than 1.
    """
    finite = [(kind, name, values[np.isfinite(values)]) for kind, name, values in layers]
    everything = np.concatenate([values for _, _, values in finite])
    if not len(everything):
        return _figure(title, finite, "", "<p>nothing is known of it</p>")
    axis, bins = _axis(everything, [value for value, _ in cuts], is_whole=is_whole)
    edges = np.linspace(axis.low, axis.high, bins + 1)
    counts = np.array([np.histogram(np.clip(v, axis.low, axis.high), edges)[0] for _, _, v in finite])
    top = max(1, int(counts.sum(axis=0).max()))
    inside = _frame(axis, top, x_label)
    base = np.zeros(bins)
    for (kind, _, _), row in zip(finite, counts, strict=True):
        inside += _bars(kind, axis, edges, base, row, top)
        base += row
    inside += "".join(_cut(value, text, axis, row) for row, (value, text) in enumerate(cuts))
    return _figure(title, finite, inside)


def _axis(values: np.ndarray, cuts: Sequence[float], *, is_whole: bool) -> tuple[_Axis, int]:
    """The range that is shown, and how many bars."""
    low, high = (float(q) for q in np.quantile(values, [TAIL, 1 - TAIL]))
    low, high = min([low, *cuts]), max([high, *cuts])
    if is_whole:
        step = max(1, math.ceil((high - low + 1) / BINS))
        bins = math.ceil((high - low + 1) / step)
        return _Axis(math.floor(low) - 0.5, math.floor(low) - 0.5 + bins * step), bins
    room = 0.02 * (high - low) or abs(low) * 0.1 or 1.0
    low, high = low - room, high + room
    if cuts:  # the first one falls between two bars, so that a bar is kept or dropped as a whole
        width = (high - low) / BINS
        low = cuts[0] - math.ceil((cuts[0] - low) / width) * width
        return _Axis(low, low + (BINS + 1) * width), BINS + 1
    return _Axis(low, high), BINS


def _frame(axis: _Axis, top: int, x_label: str) -> str:
    base = HEIGHT - BOTTOM
    parts = []
    for value in ticks(0, top, 4):
        if value == int(value):
            y = _y(value, top)
            parts.append(f"<line class='rule' x1='{LEFT}' y1='{y:.1f}' x2='{WIDTH - RIGHT}' y2='{y:.1f}'/>"
                         f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{_count(value)}</text>")  # fmt: skip
    for value in ticks(axis.low, axis.high):
        parts.append(f"<text x='{axis.x(value):.1f}' y='{base + 17}' text-anchor='middle'>{value:.6g}</text>")
    parts.append(f"<path class='axis' d='M{LEFT} {TOP}V{base}H{WIDTH - RIGHT}'/>")
    parts.append(
        f"<text x='{(LEFT + WIDTH - RIGHT) / 2}' y='{HEIGHT - 6}' text-anchor='middle'>{escape(x_label)}</text>"
    )
    return "".join(parts)


def _y(count: float, top: float) -> float:
    return HEIGHT - BOTTOM - count / top * (HEIGHT - BOTTOM - TOP)


def _count(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _bars(kind: str, axis: _Axis, edges: np.ndarray, base: np.ndarray, counts: np.ndarray, top: int) -> str:
    found = []
    for i in np.flatnonzero(counts):
        left, right = axis.x(float(edges[i])), axis.x(float(edges[i + 1]))
        y, height = _y(base[i] + counts[i], top), _y(0, top) - _y(counts[i], top)
        found.append(
            f"<rect x='{left:.1f}' y='{y:.1f}' width='{max(0.5, right - left - 1):.1f}' height='{height:.1f}'/>"
        )
    return f"<g class='{kind}'>{''.join(found)}</g>"


def _cut(value: float, text: str, axis: _Axis, row: int) -> str:
    x = axis.x(value)
    is_left = x < WIDTH * 0.8
    place = f"x='{x + 4:.1f}'" if is_left else f"x='{x - 4:.1f}' text-anchor='end'"
    return (
        f"<line class='mark' x1='{x:.1f}' y1='{TOP}' x2='{x:.1f}' y2='{HEIGHT - BOTTOM}'/>"
        f"<text {place} y='{TOP + 10 + 14 * row}'>{escape(text)}</text>"
    )


def scatter(
    title: str, layers: Sequence[tuple[str, str, np.ndarray]], *, labels: tuple[str, str], line: float | None
) -> str:
    """A `<figure>` of points, at most 1500 of them, drawn evenly.

    Args:
        title: heading of the figure.
        layers: class, name, values [n, 2].
        labels: of x and y.
        line: least value of both that is kept; None = no line.
    """
    everything = np.concatenate([points for _, _, points in layers])
    if not len(everything):
        return _figure(title, layers, "", "<p>nothing is known of it</p>")
    top = max(float(np.quantile(everything, 0.995)), line or 0.0, 1.0) * 1.02
    axis, step = _Axis(0.0, top), math.ceil(len(everything) / MAX_POINTS)
    inside = _frame(axis, int(top), labels[0])
    inside += f"<text x='{LEFT + 6}' y='{TOP + 10}'>{escape(labels[1])}</text>"
    for kind, _, points in layers:
        shown = points[::step][(points[::step] <= top).all(axis=1)]
        dots = "".join(
            f"<circle cx='{axis.x(float(x)):.0f}' cy='{_y(float(y), top):.0f}' r='2'/>" for x, y in shown
        )
        inside += f"<g class='{kind}'>{dots}</g>"
    if line:
        x, y = axis.x(line), _y(line, top)
        inside += f"<path class='mark' fill='none' d='M{x:.1f} {TOP}V{y:.1f}H{WIDTH - RIGHT}'/>"
    return _figure(title, layers, inside)


def waterfall(title: str, steps: Sequence[tuple[str, int, int]]) -> str:
    """A `<figure>` with a bar for each (name, dropped here, left after it); the first bar is the whole."""
    whole = max(1, steps[0][1] + steps[0][2])
    left, row = 170, 20
    height = row * len(steps) + 8
    scale = (WIDTH - left - 90) / whole
    parts = []
    for i, (name, dropped, rest) in enumerate(steps):
        y = 4 + i * row
        parts.append(
            f"<text x='{left - 8}' y='{y + 14}' text-anchor='end'>{escape(name)}</text>"
            f"<g class='{KEPT}'><rect x='{left}' y='{y + 3}' width='{rest * scale:.1f}' height='14'/></g>"
            f"<g class='{BY_RULE}'><rect x='{left + rest * scale:.1f}' y='{y + 3}' width='{dropped * scale:.1f}' height='14'/></g>"
            f"<text x='{left + (rest + dropped) * scale + 6:.1f}' y='{y + 14}'>{rest:,}</text>"
        )
    svg = (
        f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{escape(title)}'>{''.join(parts)}</svg>"
    )
    legend = _legend([(KEPT, "left"), (BY_RULE, "dropped here")])
    return f"<figure class='plot'><figcaption>{escape(title)}</figcaption>{legend}{svg}</figure>"


def _figure(title: str, layers: Sequence[tuple[str, str, np.ndarray]], inside: str, instead: str = "") -> str:
    svg = f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(title)}'>{inside}</svg>"
    legend = _legend([(kind, f"{name} ({len(values):,})") for kind, name, values in layers if len(values)])
    return f"<figure class='plot'><figcaption>{escape(title)}</figcaption>{legend}{instead or svg}</figure>"


def _legend(names: Sequence[tuple[str, str]]) -> str:
    inside = "".join(f"<span><i class='{kind}'></i>{escape(name)}</span>" for kind, name in names)
    return f"<div class='legend'>{inside}</div>"
