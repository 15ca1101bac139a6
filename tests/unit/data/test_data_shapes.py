"""Grammar, captions and labels of the embedded shapes."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

from t2igan.data.captions import caption, full_caption
from t2igan.data.config import ShapesConfig
from t2igan.data.draws import Draws
from t2igan.data.grammar import (
    ATTRIBUTES,
    BACKGROUNDS,
    CLASS_NAMES,
    COLOURS,
    HELD_OUT,
    Scene,
    labels,
    scene_at,
)
from t2igan.data.shapes import ShapesStream


def kinds(scene: Scene) -> set[tuple[str, str]]:
    return {(thing.colour, thing.shape) for thing in scene.things}


def scenes(count: int, config: ShapesConfig, seed: int = 0) -> list[Scene]:
    return [scene_at(seed, index, config) for index in range(count)]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text))


def test_held_out_combinations_never_appear_in_the_seen_stream():
    found = [kinds(scene) for scene in scenes(20_000, ShapesConfig())]
    assert not any(kind in HELD_OUT for pair in found for kind in pair)
    assert len(set().union(*found)) == 42


@pytest.mark.parametrize("objects", ["single", "pair", "both"])
def test_every_held_out_scene_shows_a_held_out_combination(objects):
    config = ShapesConfig(scenes=objects, combinations="held_out")
    assert all(kinds(scene) & set(HELD_OUT) for scene in scenes(1000, config))


def test_the_two_things_of_a_pair_differ_in_colour_or_shape():
    for combinations in ("seen", "held_out", "all"):
        found = scenes(500, ShapesConfig(scenes="pair", combinations=combinations))
        assert all(len(kinds(scene)) == 2 for scene in found)


def test_pair_fraction_is_the_share_of_two_object_scenes():
    found = scenes(4000, ShapesConfig(pair_fraction=0.25))
    assert np.mean([len(scene.things) == 2 for scene in found]) == pytest.approx(0.25, abs=0.03)  # 4 sigma


def test_every_class_of_every_attribute_comes_about_equally_often():
    found = np.array([labels(scene) for scene in scenes(4000, ShapesConfig(combinations="all"))])
    for column, (name, count) in enumerate(ATTRIBUTES.items()):
        if name == "layout":
            continue  # five single layouts share one half, two pair layouts the other
        shares = (
            np.bincount(found[:, column][found[:, column] >= 0], minlength=count)
            / (found[:, column] >= 0).sum()
        )
        np.testing.assert_allclose(shares, 1 / count, atol=0.045, err_msg=name)


def test_a_scene_is_a_pure_function_of_seed_and_index():
    config = ShapesConfig()
    assert scene_at(1, 7, config) == scene_at(1, 7, config)
    assert (
        len({scene_at(seed, index, config) for seed, index in itertools.product(range(5), range(100))}) == 500
    )


def test_a_scene_is_the_same_on_every_machine():
    scene = scene_at(0, 0, ShapesConfig())
    assert full_caption(scene) == "a small pink triangle above a large orange diamond on a gray background"
    assert scene.background_rgb == (130, 124, 130)


def test_labels_decode_to_the_canonical_caption():
    for scene in scenes(300, ShapesConfig(combinations="all")):
        named = {
            a: CLASS_NAMES[a][n]
            for (a, _), n in zip(ATTRIBUTES.items(), labels(scene), strict=True)
            if n >= 0
        }
        layout = named.pop("layout")
        said = words(full_caption(scene))
        assert set(named.values()) <= said
        assert said & {layout, "above", "left"}


def test_labels_of_a_single_object_leave_slot_b_empty():
    scene = scene_at(0, 0, ShapesConfig(scenes="single"))
    assert labels(scene)[-3:] == (-1, -1, -1)
    assert min(labels(scene)[:-3]) >= 0


SYNONYMS = {"large": {"large", "big"}, "small": {"small", "little"}, "gray": {"gray", "grey"}}


def test_a_full_caption_names_every_attribute_in_any_phrasing():
    for index, scene in enumerate(scenes(2000, ShapesConfig())):
        said = words(caption(scene, Draws(index), detail="full"))
        assert said & SYNONYMS.get(scene.background, {scene.background})
        for thing in scene.things:
            assert {thing.colour, thing.shape} <= said
            assert said & SYNONYMS[thing.size]
        assert said & {
            "center",
            "middle",
            "left",
            "right",
            "top",
            "upper",
            "bottom",
            "lower",
            "above",
            "over",
            "below",
            "under",
        }


def test_no_caption_names_what_the_scene_does_not_have():
    vocabulary = {*COLOURS, *BACKGROUNDS, *CLASS_NAMES["shape_a"]}
    for index, scene in enumerate(scenes(2000, ShapesConfig(combinations="all"))):
        true = {scene.background} | {word for thing in scene.things for word in (thing.colour, thing.shape)}
        assert words(caption(scene, Draws(index), detail="mixed")) & vocabulary <= true


def test_mixed_captions_leave_something_unsaid_three_times_in_ten():
    found = scenes(3000, ShapesConfig())
    partial = sum(
        not words(caption(scene, Draws(index), detail="mixed"))
        & SYNONYMS.get(scene.background, {scene.background})
        for index, scene in enumerate(found)
    )
    # Four of the seven ways to leave something out leave out the background; 4 sigma of a share of 0.17 are 0.03.
    assert partial / len(found) == pytest.approx(0.3 * 4 / 7, abs=0.03)


def test_a_pair_is_described_from_either_side_with_the_relation_inverted():
    scene = next(s for s in scenes(100, ShapesConfig(scenes="pair")) if s.layout == "vertical")
    upper, lower = (f"{thing.colour} {thing.shape}" for thing in scene.things)
    texts = {caption(scene, Draws(index), detail="full") for index in range(400)}
    assert any(re.search(f"{upper} (above|over) .*{lower}", text) for text in texts)
    assert any(re.search(f"{lower} (below|under) .*{upper}", text) for text in texts)
    assert not any(re.search(f"{upper} (below|under) .*{lower}", text) for text in texts)
    assert not any(re.search(f"{lower} (above|over|on top) .*{upper}", text) for text in texts)


@pytest.mark.parametrize(("objects", "least"), [("single", 6), ("pair", 4)])
def test_there_are_several_phrasings(objects, least):
    scene = scene_at(0, 0, ShapesConfig(scenes=objects))
    frames = set()
    for index in range(500):
        text = caption(scene, Draws(index), detail="full")
        frames.add(
            " ".join(
                word
                for word in text.split()
                if word.strip(",") in {"a", "an", "on", "with", "there", "and", "picture", "background"}
            )
        )
    assert len(frames) >= least


def test_the_article_fits_the_next_word():
    for index, scene in enumerate(scenes(2000, ShapesConfig(combinations="all"))):
        text = caption(scene, Draws(index), detail="mixed")
        assert not re.search(r"\ba [aeiou]", text), text
        assert not re.search(r"\ban [^aeiou]", text), text
        assert "  " not in text
        assert " ," not in text


def test_resolution_changes_the_picture_and_nothing_else():
    small, large = (ShapesStream(ShapesConfig(), resolution=r, seed=3).sample(11) for r in (32, 64))
    assert (small.caption, small.labels, small.key) == (large.caption, large.labels, large.key)
    assert (small.image.shape, large.image.shape) == ((32, 32, 3), (64, 64, 3))


def test_shapes_need_no_torch():
    code = "import sys, t2igan.data.shapes, t2igan.data, t2igan.data.shapes_shards; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_draws_are_uniform():
    numbers = np.array([Draws(index).uniform(-1, 1) for index in range(4000)])
    assert abs(numbers.mean()) < 4 * (1 / 3) ** 0.5 / 4000**0.5
    assert numbers.min() < -0.99
    assert numbers.max() > 0.99


def test_a_twin_shows_the_attributes_of_the_scene_before_otherwise_bound():
    config = ShapesConfig(scenes="pair", twins=True)
    for first, twin in zip(scenes(2000, config)[::2], scenes(2000, config)[1::2], strict=True):
        assert labels(first) != labels(twin)
        for attribute in ("colour", "shape", "size"):
            assert sorted(getattr(thing, attribute) for thing in first.things) == sorted(
                getattr(thing, attribute) for thing in twin.things
            )
        assert not kinds(twin) & set(HELD_OUT)
