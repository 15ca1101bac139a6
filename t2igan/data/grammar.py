"""The grammar of the embedded data set: what a scene of coloured shapes may hold. Not how it is drawn or described.

Coordinates: the picture is the square [-1, 1] x [-1, 1], x to the right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from t2igan.data.config import ShapesConfig
from t2igan.data.draws import Draws

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (214, 24, 32),
    "orange": (255, 132, 0),
    "yellow": (252, 224, 24),
    "green": (24, 150, 48),
    "blue": (28, 64, 224),
    "purple": (132, 30, 168),
    "pink": (255, 122, 196),
    "cyan": (32, 208, 224),
}
SHAPES = ("circle", "square", "triangle", "diamond", "ring", "cross")
SIZES = ("large", "small")
BACKGROUNDS: dict[str, RGB] = {
    "white": (244, 244, 244),
    "black": (12, 12, 12),
    "gray": (126, 126, 126),
    "beige": (216, 192, 152),
}
CENTRES: dict[str, tuple[float, float]] = {  # of a single object
    "center": (0.0, 0.0),
    "left": (-0.40, 0.0),
    "right": (0.40, 0.0),
    "top": (0.0, -0.40),
    "bottom": (0.0, 0.40),
}
PAIR_CENTRES = {"horizontal": ((-0.5, 0.0), (0.5, 0.0)), "vertical": ((0.0, -0.5), (0.0, 0.5))}
LAYOUTS = (*CENTRES, *PAIR_CENTRES)
SINGLE_EXTENT = {"large": 0.56, "small": 0.38}  # half of a shape's width: 9 and 6 pixels at 32 px
PAIR_EXTENT = {"large": 0.43, "small": 0.29}  # 7 and 4.6 pixels at 32 px
JITTER_PLACE, JITTER_EXTENT, JITTER_RGB = 0.04, 0.05, 10  # a share of the half-width, of the extent, of 255

HELD_OUT = (
    ("red", "diamond"),
    ("orange", "ring"),
    ("green", "circle"),
    ("blue", "triangle"),
    ("purple", "square"),
    ("yellow", "cross"),
)
_ALL = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
COMBINATIONS = {"all": _ALL, "held_out": HELD_OUT, "seen": tuple(c for c in _ALL if c not in HELD_OUT)}

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "layout": LAYOUTS,
    "background": tuple(BACKGROUNDS),
    "colour_a": tuple(COLOURS),
    "shape_a": SHAPES,
    "size_a": SIZES,
    "colour_b": tuple(COLOURS),
    "shape_b": SHAPES,
    "size_b": SIZES,
}
"""Attribute -> the names of its classes, in label order. Slot a is the single object, or the left or upper one of two."""
ATTRIBUTES: dict[str, int] = {name: len(classes) for name, classes in CLASS_NAMES.items()}


@dataclass(frozen=True)
class Thing:
    """One object: what it is, and where and how it is drawn."""

    colour: str
    shape: str
    size: str
    rgb: RGB  # the colour, jittered
    x: float
    y: float
    extent: float  # half of its width, as a share of half the picture


@dataclass(frozen=True)
class Scene:
    """What one picture shows. `things` has one or two entries, slot a (left or upper) first."""

    layout: str
    background: str
    background_rgb: RGB
    things: tuple[Thing, ...]


def scene_at(seed: int, index: int, config: ShapesConfig) -> Scene:
    """Scene number `index` of the endless stream `seed`; a pure function of its arguments."""
    if config.twins and index % 2:
        first = scene_at(seed, index - 1, config)
        if len(first.things) == 2:
            return _twin(first, Draws("twin", seed, index), config)
    draws = Draws("scene", seed, index)
    fraction = {"single": 0.0, "pair": 1.0, "both": config.pair_fraction}[config.scenes]
    is_pair = draws.uniform(0, 1) < fraction
    layout = draws.pick(tuple(PAIR_CENTRES) if is_pair else tuple(CENTRES))
    background = draws.pick(tuple(BACKGROUNDS))
    background_rgb = _jitter_rgb(BACKGROUNDS[background], draws)
    kinds = _pair_of_kinds(config, draws) if is_pair else (draws.pick(COMBINATIONS[config.combinations]),)
    things = _place(layout, [(colour, shape, None) for colour, shape in kinds], draws)
    return Scene(layout, background, background_rgb, things)


def _twin(scene: Scene, draws: Draws, config: ShapesConfig) -> Scene:
    """The same two objects with colours, shapes, sizes or places exchanged; drawn with a jitter of its own.

    Only exchanges that change something and make no combination outside the configured ones are drawn.
    """
    (colour, shape, size), (colour2, shape2, size2) = ((t.colour, t.shape, t.size) for t in scene.things)
    exchanges = [
        ((colour2, shape2, size2), (colour, shape, size)),
        ((colour2, shape, size), (colour, shape2, size2)),
        ((colour, shape2, size), (colour2, shape, size2)),
        ((colour, shape, size2), (colour2, shape2, size)),
    ]
    allowed = COMBINATIONS[config.combinations]
    now = ((colour, shape, size), (colour2, shape2, size2))
    fitting = [e for e in exchanges if e != now and all(kind[:2] in allowed for kind in e)] or exchanges[:1]
    return Scene(
        scene.layout, scene.background, scene.background_rgb, _place(scene.layout, draws.pick(fitting), draws)
    )


def _pair_of_kinds(config: ShapesConfig, draws: Draws) -> tuple[tuple[str, str], ...]:
    """Two different colour-shape combinations; where held-out ones are asked for, one at least is held out."""
    first = draws.pick(COMBINATIONS[config.combinations])
    others = _ALL if config.combinations == "held_out" else COMBINATIONS[config.combinations]
    second = draws.pick([kind for kind in others if kind != first])
    return (first, second) if draws.uniform(0, 1) < 0.5 else (second, first)


def _place(layout: str, kinds: Sequence[tuple[str, str, str | None]], draws: Draws) -> tuple[Thing, ...]:
    """Objects (colour, shape, size or None for any) at the places of a layout, each with a jitter."""
    is_pair = layout in PAIR_CENTRES
    centres = PAIR_CENTRES[layout] if is_pair else (CENTRES[layout],)
    extents = PAIR_EXTENT if is_pair else SINGLE_EXTENT
    things = []
    for (colour, shape, wanted), centre in zip(kinds, centres, strict=True):
        size = wanted or draws.pick(SIZES)
        extent = extents[size] * draws.uniform(1 - JITTER_EXTENT, 1 + JITTER_EXTENT)
        x, y = (position + draws.uniform(-JITTER_PLACE, JITTER_PLACE) for position in centre)
        things.append(Thing(colour, shape, size, _jitter_rgb(COLOURS[colour], draws), x, y, extent))
    return tuple(things)


def _jitter_rgb(rgb: RGB, draws: Draws) -> RGB:
    red, green, blue = (min(255, max(0, c + round(draws.uniform(-JITTER_RGB, JITTER_RGB)))) for c in rgb)
    return red, green, blue


def attributes(scene: Scene) -> dict[str, str]:
    """The class names of a scene, for those attributes that apply, in label order."""
    named = {"layout": scene.layout, "background": scene.background}
    for slot, thing in zip("ab", scene.things, strict=False):
        named |= {f"colour_{slot}": thing.colour, f"shape_{slot}": thing.shape, f"size_{slot}": thing.size}
    return named


def labels(scene: Scene) -> tuple[int, ...]:
    """Class numbers in the order of ATTRIBUTES, -1 where an attribute does not apply."""
    named = attributes(scene)
    return tuple(classes.index(named[a]) if a in named else -1 for a, classes in CLASS_NAMES.items())
