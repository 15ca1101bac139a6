"""Pairs of scenes of shapes that differ in exactly one attribute, with the captions that say so. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from t2igan.data.captions import full_caption
from t2igan.data.config import ShapesConfig
from t2igan.data.draws import Draws
from t2igan.data.grammar import (
    BACKGROUNDS,
    CENTRES,
    COLOURS,
    SHAPES,
    SINGLE_EXTENT,
    Scene,
    Thing,
    scene_at,
)
from t2igan.evaluation.prompts.pairs import Pair

STREAM = 3 * 10**9  # of scenes that no training seed names
Swap = Callable[[Scene, Draws], Scene | None]


def shapes_pairs(per_category: int, *, seed: int = 0) -> list[Pair]:
    """Pairs of each category, of all combinations of colour and shape.

    Args:
        per_category: pairs of each.
        seed: chooses scenes.
    """
    return [
        pair
        for name, (scenes, swap) in SWAPS.items()
        for pair in _pairs(name, scenes, swap, per_category, seed)
    ]


def _pairs(name: str, kind: str, swap: Swap, wanted: int, seed: int) -> list[Pair]:
    config = ShapesConfig.model_validate({"scenes": kind, "combinations": "all"})
    pairs, index = [], 0
    while len(pairs) < wanted:
        scene = scene_at(STREAM + seed, index, config)
        other = swap(scene, Draws("swap", name, seed, index))
        index += 1
        if other is not None:  # both objects are of one colour, say
            pairs.append(Pair(name, full_caption(scene), full_caption(other), scene, other))
    return pairs


def _exchange_colours(scene: Scene, draws: Draws) -> Scene | None:
    a, b = scene.things
    if a.colour == b.colour or a.shape == b.shape:  # of equal shapes it would exchange places as well
        return None
    return replace(
        scene, things=(replace(a, colour=b.colour, rgb=b.rgb), replace(b, colour=a.colour, rgb=a.rgb))
    )


def _exchange_places(scene: Scene, draws: Draws) -> Scene | None:
    a, b = scene.things
    if (a.colour, a.shape, a.size) == (b.colour, b.shape, b.size):
        return None
    return replace(scene, things=(replace(b, x=a.x, y=a.y), replace(a, x=b.x, y=b.y)))


def _drop_one(scene: Scene, draws: Draws) -> Scene:
    """The first of two objects, alone at its side and as large as a single one."""
    side = {"horizontal": "left", "vertical": "top"}[scene.layout]
    (x, y), thing = CENTRES[side], scene.things[0]
    return replace(scene, layout=side, things=(replace(thing, x=x, y=y, extent=SINGLE_EXTENT[thing.size]),))


def _other_colour(scene: Scene, draws: Draws) -> Scene:
    colour = _other(tuple(COLOURS), scene.things[0].colour, draws)
    return _with(scene, replace(scene.things[0], colour=colour, rgb=COLOURS[colour]))


def _other_shape(scene: Scene, draws: Draws) -> Scene:
    thing = scene.things[0]
    return _with(scene, replace(thing, shape=_other(SHAPES, thing.shape, draws)))


def _other_size(scene: Scene, draws: Draws) -> Scene:
    size = _other(tuple(SINGLE_EXTENT), scene.things[0].size, draws)
    return _with(scene, replace(scene.things[0], size=size, extent=SINGLE_EXTENT[size]))


def _other_position(scene: Scene, draws: Draws) -> Scene:
    layout = _other(tuple(CENTRES), scene.layout, draws)
    x, y = CENTRES[layout]
    return replace(scene, layout=layout, things=(replace(scene.things[0], x=x, y=y),))


def _other_background(scene: Scene, draws: Draws) -> Scene:
    background = _other(tuple(BACKGROUNDS), scene.background, draws)
    return replace(scene, background=background, background_rgb=BACKGROUNDS[background])


def _with(scene: Scene, thing: Thing) -> Scene:
    return replace(scene, things=(thing,))


def _other(names: tuple[str, ...], name: str, draws: Draws) -> str:
    return draws.pick(tuple(other for other in names if other != name))


SWAPS: dict[str, tuple[str, Swap]] = {  # category -> kind of scenes, what is said otherwise
    "colour binding": ("pair", _exchange_colours),
    "relation": ("pair", _exchange_places),
    "count": ("pair", _drop_one),
    "colour": ("single", _other_colour),
    "shape": ("single", _other_shape),
    "size": ("single", _other_size),
    "position": ("single", _other_position),
    "background": ("single", _other_background),
}
