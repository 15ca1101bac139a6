"""Draws a scene: anti-aliased signed distance functions on a pixel grid. Knows nothing of captions.

Distances are in units of half the picture and negative inside; r is the half-extent of the shape. The proportions
below make the areas roughly alike (2.0 to 3.1 r^2) and keep every shape within 1.12 r of its centre.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from t2igan.data.grammar import Scene, Thing

MARGIN = 0.03  # a shape ends at least this far from the picture's edge
REACH = {"circle": 1.0, "square": 0.9, "triangle": 1.1, "diamond": 1.12, "ring": 1.06, "cross": 1.06}
RING_HOLE = 0.52  # radius of the hole, over r
CROSS_ARM = 0.34  # half the width of an arm, over r
DIAMOND_WIDTH = 0.85  # half the width, over r


def _circle(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    return np.sqrt(x * x + y * y) - r


def _square(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) - REACH["square"] * r


def _triangle(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Isosceles and pointing up: base 2.2 r, height 1.9 r."""
    half_base, half_height = REACH["triangle"] * r, 0.95 * r
    across = (2 * half_height * np.abs(x) + half_base * (-y - half_height)) / math.hypot(
        2 * half_height, half_base
    )
    return np.maximum(across, y - half_height)


def _diamond(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    width, height = DIAMOND_WIDTH * r, REACH["diamond"] * r
    return (height * np.abs(x) + width * np.abs(y) - width * height) / math.hypot(width, height)


def _ring(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    outer, hole = REACH["ring"] * r, RING_HOLE * r
    return np.abs(np.sqrt(x * x + y * y) - (outer + hole) / 2) - (outer - hole) / 2


def _cross(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    x, y = np.abs(x), np.abs(y)
    length, arm = REACH["cross"] * r, CROSS_ARM * r
    return np.minimum(np.maximum(x - length, y - arm), np.maximum(x - arm, y - length))


DISTANCES = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "diamond": _diamond,
    "ring": _ring,
    "cross": _cross,
}


def render(scene: Scene, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Args:
        scene: what to draw.
        size: side of the picture in pixels, 16 or more.

    Returns:
        image: uint8 [size, size, 3].
        masks: uint8 [number of things, size, size], 255 x the share of a pixel that a thing covers.
    """
    image = np.full((size, size, 3), scene.background_rgb, dtype=np.float32)
    coverages = [_coverage(thing, size) for thing in scene.things]
    for thing, coverage in zip(scene.things, coverages, strict=True):
        image += coverage[..., None] * (np.asarray(thing.rgb, dtype=np.float32) - image)
    return np.rint(image).astype(np.uint8), np.rint(255 * np.stack(coverages)).astype(np.uint8)


def _coverage(thing: Thing, size: int) -> np.ndarray:
    """[size, size] float32 in [0, 1]: a linear ramp one pixel wide across the outline."""
    x, y = (_inside(position, thing) for position in (thing.x, thing.y))
    grid = _grid(size)
    distance = DISTANCES[thing.shape](grid - np.float32(x), grid[:, None] - np.float32(y), thing.extent)
    return np.clip(0.5 - distance * (size / 2), 0, 1)


def _inside(position: float, thing: Thing) -> float:
    """Move a centre so that the whole shape lies in the picture."""
    limit = 1 - MARGIN - REACH[thing.shape] * thing.extent
    return min(limit, max(-limit, position))


@cache
def _grid(size: int) -> np.ndarray:
    """[size] float32 pixel centres in [-1, 1]."""
    return ((np.arange(size, dtype=np.float32) + 0.5) * 2 / size) - 1
