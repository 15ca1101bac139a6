"""The renderer of the embedded shapes."""

import itertools

import numpy as np
import pytest

from t2igan.data.config import ShapesConfig
from t2igan.data.grammar import BACKGROUNDS, COLOURS, JITTER_RGB, PAIR_EXTENT, SHAPES, Scene, Thing, scene_at
from t2igan.data.render import render


def one(shape: str, *, extent: float = 0.5, x: float = 0.0, y: float = 0.0) -> Scene:
    return Scene("center", "black", (0, 0, 0), (Thing("red", shape, "large", (200, 100, 50), x, y, extent),))


def area(shape: str, size: int = 256) -> float:
    """In units of the half-extent squared."""
    _, masks = render(one(shape), size)
    return masks.sum() / 255 * (2 / size) ** 2 / 0.5**2


def test_a_circle_covers_pi_r_squared():
    assert area("circle") == pytest.approx(np.pi, rel=2e-3)  # 256 px


def test_areas_of_shapes_are_alike():
    areas = [area(shape) for shape in SHAPES]
    assert max(areas) / min(areas) < 1.75


def test_masks_lie_where_the_colours_of_the_things_are():
    for index in range(200):
        scene = scene_at(0, index, ShapesConfig())
        image, masks = render(scene, 32)
        for thing, mask in zip(scene.things, masks, strict=True):
            assert (image[mask == 255] == thing.rgb).all()
        assert (image[(masks == 0).all(0)] == scene.background_rgb).all()


def test_edges_are_blended_in_proportion_to_the_covered_share():
    image, masks = render(one("circle"), 32)
    assert 20 < ((masks > 0) & (masks < 255)).sum() < 100  # the outline of a circle of radius 8 px
    np.testing.assert_allclose(image[..., 0] / 200, masks[0] / 255, atol=0.005)  # rounding to bytes, twice


def test_a_picture_is_the_average_of_a_larger_picture():
    for shape in SHAPES:
        small = render(one(shape), 32)[0].astype(float)
        large = render(one(shape), 256)[0].reshape(32, 8, 32, 8, 3).mean((1, 3))
        assert np.abs(small - large).mean() < 2  # of 255; the linear ramp is exact only for straight edges


@pytest.mark.parametrize("size", [16, 17, 32, 64, 200])
def test_any_size_from_16_up_can_be_drawn(size):
    image, masks = render(scene_at(0, 1, ShapesConfig(scenes="pair")), size)
    assert image.shape == (size, size, 3)
    assert masks.shape == (2, size, size)
    assert image.dtype == masks.dtype == np.uint8


def test_every_thing_lies_whole_in_the_picture():
    for index in range(300):
        _, masks = render(scene_at(0, index, ShapesConfig()), 64)
        border = np.concatenate([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], axis=-1)
        assert border.max() < 128


def test_the_things_of_a_pair_do_not_overlap():
    for index in range(300):
        _, masks = render(scene_at(0, index, ShapesConfig(scenes="pair")), 64)
        assert not ((masks[0] > 127) & (masks[1] > 127)).any()


@pytest.mark.parametrize("shape", ["ring", "cross"])
def test_the_smallest_ring_and_cross_keep_their_form_at_32_px(shape):
    _, (mask,) = render(one(shape, extent=PAIR_EXTENT["small"] * 0.95), 32)
    middle = mask[15:17].mean(0) > 127
    runs = [len(list(group)) for covered, group in itertools.groupby(middle) if covered]
    assert (len(runs) == 2) == (shape == "ring")
    assert (mask[:, 16] > 127).sum() >= 4


def test_shapes_differ_in_many_pixels_even_when_smallest():
    drawn = {s: render(one(s, extent=PAIR_EXTENT["small"]), 32)[1][0].astype(float) / 255 for s in SHAPES}
    for a, b in itertools.combinations(SHAPES, 2):
        assert np.abs(drawn[a] - drawn[b]).sum() > 10, (a, b)  # of about 65 covered pixels


def test_colours_stay_apart_from_each_other_and_from_backgrounds_after_jitter():
    for (a, first), (b, second) in itertools.combinations((COLOURS | BACKGROUNDS).items(), 2):
        assert np.linalg.norm(np.subtract(first, second)) > 4 * JITTER_RGB, (a, b)


def test_place_moves_the_mask():
    _, (left,) = render(one("square", x=-0.4), 32)
    _, (right,) = render(one("square", x=0.4), 32)
    assert (left[:, ::-1] == right).all()
    assert np.argmax(left.sum(0)) < 16


def test_left_and_upper_things_come_first():
    for index in range(100):
        scene = scene_at(0, index, ShapesConfig(scenes="pair"))
        a, b = scene.things
        assert (a.x < b.x - 0.8) if scene.layout == "horizontal" else (a.y < b.y - 0.8)
