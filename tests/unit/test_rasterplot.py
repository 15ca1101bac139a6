"""rasterplot.py: geometry and ink of the PNG."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageColor

from t2igan.rasterplot import (
    BOTTOM,
    COLOURS,
    GAP,
    HEAD,
    HEIGHT,
    LEFT,
    RIGHT,
    TITLE,
    WIDTH,
    Panel,
    draw_panels,
)

BLUE, RED = (ImageColor.getrgb(colour) for colour in COLOURS[:2])


def panel(**series: list[tuple[float, float]]) -> Panel:
    return Panel("scores", series, "x", "y")


def pixels(*panels: Panel, columns: int = 2) -> np.ndarray:
    """[H, W, 3] int"""
    return np.asarray(Image.open(io.BytesIO(draw_panels(panels, title="t", columns=columns)))).astype(int)


def places(image: np.ndarray, colour: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of pixels of exactly this colour."""
    return np.nonzero((image == colour).all(-1))


def test_panels_stand_in_rows_and_columns():
    one = panel(a=[(0, 0), (1, 1)])
    assert pixels(one).shape == (HEAD + HEIGHT + GAP, WIDTH + GAP, 3)
    assert pixels(one, one, one).shape == (HEAD + 2 * (HEIGHT + GAP), 2 * WIDTH + GAP, 3)
    assert pixels(one, one, columns=1).shape == (HEAD + 2 * (HEIGHT + GAP), WIDTH + GAP, 3)


def test_a_curve_spans_its_axes():
    rows, columns = places(pixels(panel(a=[(0, 0.0), (10, 4.0)])), BLUE)
    top, base = HEAD + TITLE + 4, HEAD + HEIGHT - BOTTOM
    air = (base - top) * 0.05 / 1.1  # 5 % of the range above and below
    assert columns.min() == pytest.approx(LEFT, abs=3)  # the dots at the ends are 2.6 pixels wide
    assert columns.max() == pytest.approx(WIDTH - RIGHT, abs=3)
    assert rows.min() == pytest.approx(top + air, abs=3.5)
    assert rows.max() == pytest.approx(base - air, abs=3.5)


def test_an_axis_from_zero_puts_a_constant_far_above_its_floor():
    flat = [(float(x), 2.0) for x in range(50)]
    rows, _ = places(pixels(Panel("t", {"a": flat}, "x", "y", from_zero=True)), BLUE)
    assert np.median(rows) < HEAD + TITLE + 30
    zero, _ = places(pixels(Panel("t", {"a": [(0, 0.0), (1, 0.0)]}, "x", "y", from_zero=True)), BLUE)
    assert np.median(zero) == pytest.approx(HEAD + HEIGHT - BOTTOM, abs=2)


def test_every_curve_has_its_own_colour_and_a_legend():
    image = pixels(panel(a=[(0, 0), (1, 1)], b=[(0, 1), (1, 0)]))
    for colour in (BLUE, RED):
        rows, _ = places(image, colour)
        assert (rows < HEAD + TITLE + 10).any()  # the stroke of the legend
        assert (rows > HEAD + HEIGHT / 2).any()  # the curve


def test_edges_are_smooth():
    image = pixels(panel(a=[(float(x), float(x)) for x in range(100)]))
    mixed = (image[..., 2] - image[..., 0] > 20) & ~(image == BLUE).all(-1)  # bluish, but not the pure colour
    assert mixed.sum() > 300


def test_values_that_are_not_finite_leave_no_ink():
    whole = pixels(panel(a=[(0, 0.0), (2, 1.0)]))
    holed = pixels(panel(a=[(0, 0.0), (1, math.nan), (1.5, math.inf), (2, 1.0)]))
    assert np.array_equal(whole, holed)


def test_a_mark_is_an_upright_dashed_line_inside_the_axes_only():
    curve = {"a": [(0.0, 0.0), (10.0, 1.0)]}
    plain, inside, outside = (
        pixels(Panel("t", curve, "x", "y", marks)) for marks in ((), ((5.0, "64 px"),), ((99.0, "64 px"),))
    )
    changed = np.nonzero((plain != inside).any(-1))
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    assert changed[1].min() == pytest.approx(middle, abs=1)
    assert len(set(changed[0])) > 80
    assert np.array_equal(plain, outside)


@pytest.mark.parametrize(
    "series", [{}, {"a": []}, {"a": [(0.0, math.nan)]}, {"a": [(5.0, -2e9)]}, {"a": [(0.0, 1e-30)] * 2}]
)
def test_a_panel_without_a_course_is_drawn(series: dict[str, list[tuple[float, float]]]):
    assert pixels(Panel("t", series, "x", "y")).shape[0] == HEAD + HEIGHT + GAP


def test_a_legend_takes_as_many_rows_as_its_names_need():
    names = {f"a rather long name of a run {i}": [(0.0, float(i)), (1.0, float(i))] for i in range(9)}
    image = pixels(panel(**names))
    strokes = places(image, BLUE)[0]
    rows, _ = places(image, ImageColor.getrgb(COLOURS[7]))
    assert rows.min() > strokes.min() + 30  # the eighth name stands rows below the first
    assert rows.max() < HEAD + HEIGHT - BOTTOM
