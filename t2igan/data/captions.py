"""Sentences about scenes, in several phrasings. Every sentence is true; not every one says everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from t2igan.data.draws import Draws
from t2igan.data.grammar import Scene, Thing

T = TypeVar("T")
UNSAID_SHARE = 0.3  # of `mixed` captions
WORDS = {  # the first is canonical; it is drawn three times as often as each of the others
    "large": ("large", "big"),
    "small": ("small", "little"),
    "gray": ("gray", "grey"),
    "center": ("in the center", "in the middle"),
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "top": ("at the top", "in the upper part"),
    "bottom": ("at the bottom", "in the lower part"),
}
SINGLE = (
    "{thing} {place} on {a_ground} background",
    "{thing} {place}, {ground} background",
    "{thing} {place} on {ground}",
    "a picture of {thing} {place} on {a_ground} background",
    "{a_ground} background with {thing} {place}",
    "{ground} background, {thing} {place}",
    "there is {thing} {place} on {a_ground} background",
)
SINGLE_BARE = ("{thing} {place}", "a picture of {thing} {place}", "there is {thing} {place}")
PAIR = (
    "{thing} {relation} {other} on {a_ground} background",
    "{thing} {relation} {other}, {ground} background",
    "{thing} {relation} {other} on {ground}",
    "{a_ground} background with {thing} {relation} {other}",
    "{thing} {place} and {other} {other_place}, {ground} background",
    "{ground} background, {thing} {relation} {other}",
)
PAIR_BARE = (
    "{thing} {relation} {other}",
    "a picture of {thing} {relation} {other}",
    "{thing} {place} and {other} {other_place}",
)
UNPLACED = ("{thing} and {other} on {a_ground} background", "{thing} and {other}, {ground} background")
UNPLACED_BARE = ("{thing} and {other}", "a picture of {thing} and {other}")
RELATIONS = {  # layout -> phrases with slot a first, phrases with slot b first
    "horizontal": (("left of", "to the left of"), ("right of", "to the right of")),
    "vertical": (("above", "over"), ("below", "under")),
}
PLACES = {"horizontal": ("on the left", "on the right"), "vertical": ("on top", "below")}


@dataclass(frozen=True)
class Said:
    """Which attributes a caption names besides colour and shape."""

    background: bool = True
    size: bool = True
    place: bool = True


EVERYTHING = Said()
PARTS = tuple(Said(b, s, p) for b in (False, True) for s in (False, True) for p in (False, True))[:-1]


def full_caption(scene: Scene) -> str:
    """The canonical sentence: names every attribute in the first phrasing, for evaluation."""
    return _sentence(scene, EVERYTHING, None)


def caption(scene: Scene, draws: Draws, *, detail: str = "full") -> str:
    """A random phrasing.

    Args:
        scene: what to describe.
        draws: source of the choice; takes at most 12 numbers.
        detail: `full` names every attribute, `mixed` leaves background, size or place unsaid in 30 % of captions.
    """
    is_partial = detail == "mixed" and draws.uniform(0, 1) < UNSAID_SHARE
    return _sentence(scene, draws.pick(PARTS) if is_partial else EVERYTHING, draws)


def _sentence(scene: Scene, said: Said, draws: Draws | None) -> str:
    is_pair = len(scene.things) == 2
    words = _pair_words(scene, said, draws) if is_pair else _single_words(scene, said, draws)
    ground = _word(scene.background, draws)
    template = _pick(_templates(said, is_pair=is_pair), draws)
    return " ".join(template.format(ground=ground, a_ground=_with_article(ground), **words).split()).replace(
        " ,", ","
    )


def _templates(said: Said, *, is_pair: bool) -> tuple[str, ...]:
    if not is_pair:
        return SINGLE if said.background else SINGLE_BARE
    if not said.place:
        return UNPLACED if said.background else UNPLACED_BARE
    return PAIR if said.background else PAIR_BARE


def _single_words(scene: Scene, said: Said, draws: Draws | None) -> dict[str, str]:
    place = _word(scene.layout, draws) if said.place else ""
    return {"thing": _noun(scene.things[0], said, draws), "place": place}


def _pair_words(scene: Scene, said: Said, draws: Draws | None) -> dict[str, str]:
    first = _pick((0, 1), draws)  # which slot the sentence begins with
    places = PLACES[scene.layout]
    return {
        "thing": _noun(scene.things[first], said, draws),
        "other": _noun(scene.things[1 - first], said, draws),
        "relation": _pick(RELATIONS[scene.layout][first], draws),
        "place": places[first],
        "other_place": places[1 - first],
    }


def _noun(thing: Thing, said: Said, draws: Draws | None) -> str:
    size = _word(thing.size, draws) if said.size else ""
    return _with_article(f"{size} {thing.colour} {thing.shape}".strip())


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _word(name: str, draws: Draws | None) -> str:
    first, *others = WORDS.get(name, (name,))
    return _pick((first, first, first, *others), draws)


def _pick(options: tuple[T, ...], draws: Draws | None) -> T:
    return options[0] if draws is None else draws.pick(options)
