"""Panels of curves on any canvas, and as one PNG by Pillow. The SVG of reports is lineplot.py's."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from PIL import Image, ImageDraw, ImageFont

from t2igan.lineplot import Marks, Points, finite, padded, ticks, value_range

SCALE = 2  # drawn pixels a side of each pixel of the picture
WIDTH, HEIGHT = 600, 300  # of a panel
LEFT, RIGHT, BOTTOM = 66, 22, 46
TITLE, ROW = 30, 18  # heights of the panel's heading and of a row of its legend
HEAD, GAP = 44, 16  # height of the picture's heading; between panels
PAGE, INK, SOFT, RULE = "#ffffff", "#1c1e21", "#5b636d", "#e3e7eb"
COLOURS = ("#0072b2", "#d55e00", "#00855f", "#b8559a", "#a67c00", "#3a9fd8", "#6b4fb8", "#777777")
MAX_DOTS = 30  # longer curves show a dot at their end only

Place = tuple[float, float]


class Canvas(Protocol):
    """Takes places in pixels of the picture."""

    def line(self, places: Sequence[Place], colour: str, *, width: float = 1.0) -> None:
        """A line through places."""

    def dot(self, place: Place, colour: str, *, radius: float) -> None:
        """A full circle."""

    def spot(self, place: Place, colour: str, *, radius: float, hover: str) -> None:
        """A ring, or where the radius is 0 nothing to be seen, that tells something under the mouse."""

    def text(self, place: Place, text: str, *, size: int = 12, colour: str = INK, anchor: str = "ls") -> None:
        """Words; the anchor is Pillow's."""


Painted = TypeVar("Painted", bound=Canvas)


@dataclass(frozen=True)
class Spot:
    """A point of a curve that says something."""

    curve: str  # name of its series
    x: float
    y: float
    hover: str  # where a mouse can ask
    radius: float = 0.0  # of the ring around it; 0 = none
    text: str = ""  # beside it
    frame: Sequence[Place] = ()  # corners of a line around it, in pixels from its middle


@dataclass(frozen=True)
class Panel:
    """One pair of axes with its curves; also what a report's figure needs."""

    title: str
    series: Mapping[str, Points]
    x_label: str
    y_label: str
    marks: Marks = ()  # (x, text) of upright dashed lines
    from_zero: bool = False  # whether the axis of values begins at 0
    x_air: float = 0.0  # share of the range of x that is left free on both sides
    spots: Sequence[Spot] = ()  # those that are not finite are left out


def draw_panels(panels: Sequence[Panel], *, title: str, columns: int = 2) -> bytes:
    """The bytes of a PNG; the arguments are `paint`'s."""
    return paint(PngCanvas, panels, title=title, columns=columns).png()


def paint(
    new_canvas: Callable[[int, int], Painted], panels: Sequence[Panel], *, title: str, columns: int = 2
) -> Painted:
    """Draw panels row by row under a heading.

    Args:
        new_canvas: makes a canvas of a width and height in pixels.
        panels: at least one; points that are not finite are left out.
        title: heading of the picture.
        columns: panels a row.

    Returns:
        The canvas.
    """
    assert panels, "nothing to draw"
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    canvas = new_canvas(columns * WIDTH + GAP, HEAD + rows * (HEIGHT + GAP))
    canvas.text((LEFT, HEAD / 2 + 4), title, size=19, anchor="lm")
    for i, panel in enumerate(panels):
        corner = ((i % columns) * WIDTH, HEAD + (i // columns) * (HEIGHT + GAP))
        _draw_panel(canvas, panel, corner)
    return canvas


class PngCanvas:
    """Draws on a sheet SCALE times as large. Nothing of it can be asked with a mouse."""

    def __init__(self, width: int, height: int) -> None:
        self._sheet = Image.new("RGB", (width * SCALE, height * SCALE), PAGE)
        self._draw = ImageDraw.Draw(self._sheet)

    def line(self, places: Sequence[Place], colour: str, *, width: float = 1.0) -> None:
        """A line through places."""
        scaled = [(x * SCALE, y * SCALE) for x, y in places]
        self._draw.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")

    def dot(self, place: Place, colour: str, *, radius: float) -> None:
        """A full circle."""
        (x, y), r = place, radius * SCALE
        self._draw.ellipse((x * SCALE - r, y * SCALE - r, x * SCALE + r, y * SCALE + r), fill=colour)

    def spot(self, place: Place, colour: str, *, radius: float, hover: str) -> None:
        """A ring."""
        if radius:
            (x, y), r = place, radius * SCALE
            box = (x * SCALE - r, y * SCALE - r, x * SCALE + r, y * SCALE + r)
            self._draw.ellipse(box, outline=colour, width=2 * SCALE)

    def text(self, place: Place, text: str, *, size: int = 12, colour: str = INK, anchor: str = "ls") -> None:
        """Words with a halo."""
        x, y = place[0] * SCALE, place[1] * SCALE
        halo = {"stroke_width": 2 * SCALE, "stroke_fill": PAGE}  # where a curve runs behind the text
        self._draw.text((x, y), text, fill=colour, font=_font(size), anchor=anchor, **halo)

    def png(self) -> bytes:
        """The bytes of the picture."""
        target = io.BytesIO()
        self._sheet.reduce(SCALE).save(target, "PNG", optimize=True)
        return target.getvalue()


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size=size * SCALE)


def _text_width(text: str, size: int) -> float:
    return _font(size).getlength(text) / SCALE


@dataclass(frozen=True)
class _Axes:
    """Where the values of a panel lie in the picture."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: float
    top: float
    right: float
    base: float

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.base - (value - low) / (high - low) * (self.base - self.top)


def _draw_panel(canvas: Canvas, panel: Panel, corner: Place) -> None:
    left, top = corner[0] + LEFT, corner[1]
    kept = {name: points for name, found in panel.series.items() if (points := finite(found))}
    canvas.text((left, top + 18), panel.title, size=15)
    unit = "" if panel.y_label == panel.title else panel.y_label
    canvas.text((corner[0] + WIDTH - RIGHT, top + 18), unit, colour=SOFT, anchor="rs")
    if not kept:
        canvas.text((left, top + 60), "no points to draw", colour=SOFT)
        return
    rows = _draw_legend(canvas, list(kept), (left, top + TITLE)) if len(kept) > 1 else 0
    everything = [point for points in kept.values() for point in points]
    axes = _Axes(
        x_range=padded([x for x, _ in everything], panel.x_air),
        y_range=value_range(everything, from_zero=panel.from_zero),
        left=left,
        top=top + TITLE + rows * ROW + 4,
        right=corner[0] + WIDTH - RIGHT,
        base=top + HEIGHT - BOTTOM,
    )
    _draw_axes(canvas, axes, panel)
    for i, points in enumerate(kept.values()):
        _draw_curve(canvas, axes, points, COLOURS[i % len(COLOURS)])
    for value, text in panel.marks:
        if axes.x_range[0] <= value <= axes.x_range[1]:
            _draw_mark(canvas, axes, axes.x(value), text)
    for spot in panel.spots:
        if math.isfinite(spot.x) and math.isfinite(spot.y):
            _draw_spot(canvas, axes, spot, COLOURS[list(kept).index(spot.curve) % len(COLOURS)])


def _draw_legend(canvas: Canvas, names: Sequence[str], place: Place) -> int:
    """Name the curves from left to right, in as many rows as they need; returns the number of rows."""
    x, row = place[0], 0
    for i, name in enumerate(names):
        wide = 24 + _text_width(name, 12)
        if x > place[0] and x + wide > place[0] + WIDTH - LEFT - RIGHT:
            x, row = place[0], row + 1
        y = place[1] + row * ROW + 5
        canvas.line([(x, y), (x + 16, y)], COLOURS[i % len(COLOURS)], width=3)
        canvas.text((x + 22, y), name, colour=SOFT, anchor="lm")
        x += wide + 16
    return row + 1


def _draw_axes(canvas: Canvas, axes: _Axes, panel: Panel) -> None:
    for value in ticks(*axes.y_range, 5):
        y = axes.y(value)
        canvas.line([(axes.left, y), (axes.right, y)], RULE)
        canvas.text((axes.left - 8, y), f"{value:.6g}", colour=SOFT, anchor="rm")
    for value in ticks(*axes.x_range):
        x = axes.x(value)
        canvas.line([(x, axes.base), (x, axes.base + 4)], SOFT)
        canvas.text((x, axes.base + 7), f"{value:.6g}", colour=SOFT, anchor="ma")
    canvas.line([(axes.left, axes.top), (axes.left, axes.base), (axes.right, axes.base)], SOFT)
    canvas.text(((axes.left + axes.right) / 2, axes.base + 23), panel.x_label, colour=SOFT, anchor="ma")


def _draw_mark(canvas: Canvas, axes: _Axes, x: float, text: str) -> None:
    """A dashed upright line with its name at the top."""
    for y in range(int(axes.top), int(axes.base), 8):
        canvas.line([(x, y), (x, min(y + 4, axes.base))], SOFT)
    canvas.text((x + 4, axes.top + 2), text, size=11, colour=SOFT, anchor="la")


def _draw_curve(canvas: Canvas, axes: _Axes, points: Sequence[Place], colour: str) -> None:
    places = [(axes.x(x), axes.y(y)) for x, y in points]
    if len(places) > 1:
        canvas.line(places, colour, width=1.8)
    for place in places if len(places) <= MAX_DOTS else places[-1:]:
        canvas.dot(place, colour, radius=2.6)


def _draw_spot(canvas: Canvas, axes: _Axes, spot: Spot, colour: str) -> None:
    x, y = axes.x(spot.x), axes.y(spot.y)
    canvas.spot((x, y), colour, radius=spot.radius, hover=spot.hover)
    if spot.frame:
        canvas.line([(x + dx, y + dy) for dx, dy in spot.frame], INK, width=1.5)
    if spot.text:
        is_left = x > (axes.left + axes.right) / 2
        beside = x + (14 if spot.frame else 9) * (-1 if is_left else 1)
        canvas.text((beside, y - 4), spot.text, size=11, colour=SOFT, anchor="rs" if is_left else "ls")
