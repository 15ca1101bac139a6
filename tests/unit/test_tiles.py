"""Where tiles lie, what they read, and how they are weighed together."""

from __future__ import annotations

import pytest
import torch

from t2igan.errors import UsageError
from t2igan.tiles import Blend, Plan, checkboard_weight, cut_axis, plan, seam_weights, source_index

SIZES = [(1, 1), (3, 2), (8, 8), (9, 40), (16, 7), (33, 64), (61, 50)]


def total_weight(of: Plan) -> torch.Tensor:
    """The sum of all tiles' weights, on the enlarged pixels of the image."""
    side, margin = of.scale, of.down.tile * of.scale
    height, width = of.down.length * side, of.across.length * side
    total = torch.zeros(height + 3 * margin, width + 3 * margin)
    for tile in of.tiles():
        weight = tile.weight.expand(of.down.tile * side, of.across.tile * side)
        y, x = tile.y * side + margin, tile.x * side + margin
        total[y : y + weight.shape[0], x : x + weight.shape[1]] += weight
    return total[margin : margin + height, margin : margin + width]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("blend", ["feather", "paste", "checkboard", "constant"])
def test_the_weights_of_every_pixel_sum_to_one(size: tuple[int, int], blend: Blend):
    of = plan(size, 8, overlap=3, multiple=2, scale=4, blend=blend)
    assert torch.allclose(total_weight(of), torch.ones(1), atol=1e-6)
    assert all(bool((tile.weight >= 0).all()) for tile in of.tiles())


@pytest.mark.parametrize("overlap", [0, 1, 2, 4, 5, 6])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 10, 17, 100])
def test_tiles_cover_a_side_overlap_enough_and_start_in_step(length: int, overlap: int):
    axis = cut_axis(length, 8, overlap=overlap, multiple=2)
    assert axis.starts[0] == 0
    assert length <= axis.padded <= length + 1  # rounded up to the multiple, no further
    assert all(start % 2 == 0 for start in axis.starts)
    assert axis.tile % 2 == 0
    steps = [b - a for a, b in zip(axis.starts, axis.starts[1:], strict=False)]
    assert all(0 < step <= 8 - overlap for step in steps)


def test_a_seam_counts_nothing_of_the_outer_quarter_of_an_overlap():
    axis = cut_axis(100, 32, overlap=16, multiple=4)
    left, right = seam_weights(axis, 2)[:2]
    assert (left[2 * 28 :] == 0).all()  # the last 4 pixels of the input, twice as many of the output
    assert (right[: 2 * 4] == 0).all()
    assert (left[: 2 * 20] == 1).all()  # and the sides of the image have no seam
    assert (right[2 * 12 : 2 * 20] == 1).all()


def test_a_reflection_does_not_repeat_the_edge():
    axis = cut_axis(5, 8, overlap=0, multiple=8)
    assert source_index(axis, 0).tolist() == [0, 1, 2, 3, 4, 3, 2, 1]


@pytest.mark.parametrize(("length", "expected"), [(1, [0] * 8), (3, [0, 1, 2, 2, 2, 2, 2, 2])])
def test_an_image_smaller_than_its_padding_repeats_the_edge(length: int, expected: list[int]):
    assert source_index(cut_axis(length, 8, overlap=0, multiple=8), 0).tolist() == expected


def test_a_shifted_tile_reads_the_reflection_of_the_padded_image():
    of = plan((13, 18), 8, overlap=0, multiple=2, scale=4, blend="checkboard")
    assert source_index(of.down, -4).tolist() == [4, 3, 2, 1, 0, 1, 2, 3]
    # padded to 16 rows by 11, 10, 9; beyond that those three come back
    assert source_index(of.down, 12).tolist() == [12, 11, 10, 9, 10, 11, 12, 11]


def test_the_second_pass_has_a_tile_more_each_way_and_numbers_follow_the_passes():
    of = plan((13, 18), 8, overlap=0, multiple=2, scale=4, blend="constant")
    tiles = list(of.tiles())
    assert len(tiles) == len(of) == 2 * 3 + 3 * 4
    assert sorted(tile.number for tile in tiles) == list(range(18))
    assert [tile.y for tile in tiles] == sorted(tile.y for tile in tiles)
    places = {tile.number: (tile.y, tile.x) for tile in tiles}
    assert [places[i] for i in range(6)] == [(y, x) for y in (0, 8) for x in (0, 8, 16)]
    assert [places[i] for i in range(6, 18)] == [(y, x) for y in (-4, 4, 12) for x in (-4, 4, 12, 20)]


def test_an_image_that_fits_into_a_tile_is_one_tile_no_larger_than_needed():
    of = plan((5, 30), 32, overlap=8, multiple=4, scale=2)
    assert (len(of), of.down.tile, of.across.tile) == (1, 8, 32)
    assert (next(of.tiles()).weight == 1).all()


def test_the_weight_of_aurasr_is_largest_in_the_middle_and_the_same_from_all_sides():
    weight = checkboard_weight(8)
    assert float(weight.max()) == 1
    assert torch.equal(weight, weight.T)
    assert torch.allclose(weight, weight.flip(0))
    assert float(weight[0, 0] / weight[3, 3]) == pytest.approx(
        float(torch.tensor(-16 * (2 - 2 / 49)).exp()), rel=1e-4
    )


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [
        (6, 0, "a tile of 6 px: this model needs a multiple of 4"),
        (0, 0, "a tile of 0 px"),
        (8, 5, "tiles of 8 px can overlap by 0 to 4 px"),
        (8, -1, "an overlap of -1 px"),
    ],
)
def test_tiles_that_cannot_be_are_refused(tile: int, overlap: int, message: str):
    with pytest.raises(UsageError, match=message):
        plan((20, 20), tile, overlap=overlap, multiple=4, scale=4)
