"""Upscaling through the protocol alone: tiles against no tiles, seeds, batches, memory, passes, chains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_upsamplers import Broken, Convolutional, Greedy, Nearest, picture, upscaler

from t2igan.errors import CheckpointError, T2IGanError, UsageError
from t2igan.tiles import Blend
from t2igan.upscaler.memory import is_out_of_memory
from t2igan.upscaler.place import place_of
from t2igan.upscaler.tiling import Tiling


def repeated(image: torch.Tensor, times: int) -> torch.Tensor:
    return image.repeat_interleave(times, -2).repeat_interleave(times, -1)


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> int:
    return int((a.int() - b.int()).abs().max())


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (7, 3), (8, 8), (20, 33), (41, 18)])
@pytest.mark.parametrize("options", [{}, {"tile": 8}, {"tile": 6, "overlap": 3}, {"tile": 8, "overlap": 0}])
def test_repeated_pixels_are_the_same_with_any_tiles(size: tuple[int, int], options: dict[str, Any]):
    image = picture(*size)
    assert torch.equal(upscaler(Nearest()).upscale(image, **options), repeated(image, 4))


@pytest.mark.parametrize("blend", ["paste", "checkboard", "constant"])
@pytest.mark.parametrize("size", [(1, 1), (13, 18), (24, 16)])
def test_the_schemes_of_aurasr_are_exact_to_a_level_that_is_cut_off(blend: Blend, size: tuple[int, int]):
    image = picture(*size)
    found = upscaler(Nearest()).upscale(image, blend=blend)
    assert largest_difference(found, repeated(image, 4)) <= 1  # 255 * (n / 255) may be less than n


@pytest.mark.parametrize("overlap", [8, 12])
def test_with_convolutions_tiles_equal_no_tiles_but_for_the_seams(overlap: int):
    model, image = upscaler(Convolutional(noise_gain=0.1)), picture(60, 50)
    whole = model.upscale(image, tile=64)
    tiled = model.upscale(image, tile=16, overlap=overlap)
    # 2 pixels of the input are seen around a pixel, and seams leave out overlap / 4 >= 2
    assert largest_difference(whole, tiled) <= 1


def test_without_an_overlap_seams_show():
    model, image = upscaler(Convolutional()), picture(40, 40)
    different = (
        model.upscale(image, tile=64).int() - model.upscale(image, tile=8, overlap=0).int()
    ).abs() > 1
    near_seam = torch.zeros(160, dtype=torch.bool)
    for seam in range(32, 160, 32):
        near_seam[seam - 2 : seam + 2] = True
    assert bool(different.any())
    assert not bool(different[:, ~near_seam][:, :, ~near_seam].any())


@pytest.mark.parametrize("batch", [1, 3, 7, 64])
@pytest.mark.parametrize("per_tile_z", [False, True])
def test_the_picture_is_the_same_in_any_batch_of_tiles(batch: int, per_tile_z: bool):
    model = upscaler(Convolutional(z_gain=0.2, noise_gain=0.1))
    options: dict[str, Any] = {"tile": 8, "per_tile_z": per_tile_z, "seed": 3}
    image = picture(30, 20)
    assert (
        largest_difference(model.upscale(image, **options), model.upscale(image, batch=batch, **options)) <= 1
    )


def test_an_image_is_the_same_among_others_with_a_seed_each():
    model = upscaler(Nearest(z_gain=0.2, noise_gain=0.1))
    images = torch.stack([picture(13, 10, seed=i) for i in range(3)])
    together = model.upscale(images, seed=[5, 6, 5], tile=8, batch=4)
    assert together.shape == (3, 3, 52, 40)
    for image, seed, found in zip(images, [5, 6, 5], together, strict=True):
        assert largest_difference(model.upscale(image, seed=seed, tile=8), found) <= 1


def test_noise_belongs_to_pixels_whatever_the_tiles_and_the_seed_chooses_it():
    model, image = upscaler(Nearest(noise_gain=0.2)), picture(30, 25)
    found = [model.upscale(image, seed=1, tile=tile) for tile in (6, 8, 16, 32)]
    assert all(largest_difference(found[0], other) <= 1 for other in found)
    assert largest_difference(found[0], model.upscale(image, seed=2)) > 20
    assert torch.equal(model.upscale(image, noise=False), repeated(image, 4))


def test_one_latent_gives_one_cast_and_a_latent_a_tile_gives_many():
    flat = torch.full((3, 16, 16), 128, dtype=torch.uint8)
    G = Nearest(z_gain=0.3)
    one = upscaler(G).upscale(flat, tile=8, overlap=0, batch=2)
    assert set(G.latents) == {1}  # which is the fast way of networks
    many = upscaler(G).upscale(flat, tile=8, overlap=0, batch=2, per_tile_z=True)
    assert len(one.flatten(1).unique(dim=1).T) == 1
    assert len(many.flatten(1).unique(dim=1).T) == 4


def test_larger_scales_are_several_passes_each_with_noise_of_its_own():
    image = picture(5, 3)
    assert torch.equal(upscaler(Nearest(scale=2)).upscale(image, scale=8), repeated(image, 8))
    noisy = upscaler(Nearest(scale=2, noise_gain=0.1))
    assert torch.equal(noisy.upscale(image, scale=4, seed=2), noisy.upscale(image, scale=4, seed=2))
    assert largest_difference(repeated(noisy.upscale(image, scale=2), 2), noisy.upscale(image, scale=4)) > 5


@pytest.mark.parametrize("scale", [2, 8, 15, 17, 1])
def test_a_scale_that_is_no_power_of_the_models_is_refused(scale: int):
    with pytest.raises(UsageError, match=r"this model enlarges 4 times, so it can do 4, 16, 64"):
        upscaler(Nearest()).upscale(picture(4, 4), scale=scale)


def test_where_memory_does_not_suffice_batches_then_tiles_are_halved(caplog: pytest.LogCaptureFixture):
    G = Greedy(most=150)
    image = picture(40, 40)
    done = upscaler(G).run(image[None], Tiling(), seeds=[0])
    assert torch.equal(done.images[0], repeated(image, 4))
    assert done.tile == 8
    assert [size[2] for size in G.sizes[:3]] == [32, 16, 8]  # and one warning for each that failed
    assert caplog.text.count("out of memory") == 2
    few = Greedy(most=150)
    assert torch.equal(upscaler(few).upscale(image, tile=8, batch=8), repeated(image, 4))
    assert [size[0] for size in few.sizes[:3]] == [8, 4, 2]


def test_where_not_even_the_smallest_tile_fits_it_is_said_how_to_go_on():
    with pytest.raises(T2IGanError, match=r"out of memory even with one tile of 8 px.*--tile"):
        upscaler(Greedy(most=30)).upscale(picture(20, 20))
    with pytest.raises(T2IGanError, match="one tile of 16 px"):  # a tile that was asked for is kept
        upscaler(Greedy(most=100)).upscale(picture(20, 20), tile=16)


def test_only_a_failed_allocation_is_one():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as caught:
        torch.dot(torch.ones(2), torch.ones(3))
    assert not is_out_of_memory(caught.value)


def test_a_network_with_attention_sees_tiles_of_the_side_that_it_was_trained_on():
    G = Nearest(has_attention=True)
    assert list(Tiling().attempts(G, (300, 20))) == [(8, 16), (8, 8), (8, 4), (8, 2), (8, 1)]
    assert next(Tiling(tile=16).attempts(G, (300, 20))) == (16, 4)


def test_the_largest_tile_is_four_times_the_networks_own_and_the_batch_fills_its_area():
    attempts = list(Tiling().attempts(Nearest(), (300, 20)))
    assert attempts == [(32, 1), (16, 1), (8, 1)]
    assert next(Tiling().attempts(Nearest(), (10, 9))) == (16, 4)
    assert next(Tiling().attempts(Nearest(), (3, 8))) == (8, 16)
    assert next(Tiling(blend="paste").attempts(Nearest(), (300, 300))) == (8, 16)


def test_an_output_that_is_not_finite_is_an_error():
    with pytest.raises(T2IGanError, match="not finite"):
        upscaler(Broken()).upscale(torch.zeros(3, 9, 9, dtype=torch.uint8))


def test_progress_ends_where_it_said_and_never_goes_back():
    seen: list[tuple[int, int]] = []
    upscaler(Nearest()).upscale(
        picture(20, 12), scale=16, tile=8, batch=1, on_progress=lambda done, total: seen.append((done, total))
    )
    totals = {total for _, total in seen}
    assert totals == {20 * 12 * (16 + 256)}
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_text_reaches_a_network_that_reads_it_and_is_refused_by_others():
    image = picture(6, 6)
    reader = upscaler(Nearest(c_dim=8))
    assert reader.reads_text
    assert not torch.equal(reader.upscale(image, prompt="a cat"), reader.upscale(image, prompt="a dog"))
    both = reader.upscale(torch.stack([image, image]), prompt=["a cat", "a dog"])
    assert torch.equal(both[1], reader.upscale(image, prompt="a dog"))
    assert torch.equal(reader.upscale(image), reader.upscale(image, prompt=""))
    with pytest.raises(UsageError, match="reads no text"):
        upscaler(Nearest()).upscale(image, prompt="a cat")


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (torch.zeros(3, 4, 4), {}, "give uint8"),
        (torch.full((3, 4, 4), float("nan")), {}, "give uint8"),
        (torch.zeros(4, 4, 4, dtype=torch.uint8), {}, "give uint8"),
        (torch.zeros(3, 0, 4, dtype=torch.uint8), {}, "give uint8"),
        (picture(4, 4), {"seed": -1}, "a seed is a whole number"),
        (picture(4, 4)[None], {"seed": [1, 2]}, "1 images but 2 seeds"),
        (picture(4, 4), {"tile": 7}, "needs a multiple of 2"),
        (picture(4, 4), {"tile": 8, "overlap": 8}, "an overlap of 8 px"),
        (picture(4, 4), {"batch": 0}, "at least 1"),
        (picture(4, 4), {"blend": "average"}, "known are feather"),
        (picture(4, 4), {"blend": "paste", "overlap": 2}, "no overlap to choose"),
    ],
)
def test_what_cannot_be_enlarged_is_a_usage_error(image: torch.Tensor, options: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        upscaler(Nearest()).upscale(image, **options)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("nosuch", "nosuch: neither a file nor an upsampler inside the package. Give"),
        ("", "'': neither a file nor an upsampler inside the package. Give"),
        ("embedded:nosuch", "embedded:nosuch: neither a file nor an upsampler inside the package. Give"),
        (
            "shapes_4x",
            "shapes_4x: neither a file nor an upsampler inside the package; did you mean 'shapes_x4'? Give",
        ),
        ("n" * 300, "n" * 300 + ": neither a file nor an upsampler inside the package. Give"),
    ],
)
def test_an_unknown_name_is_told_where_upsamplers_are_and_only_those(name: str, start: str):
    with pytest.raises(CheckpointError) as caught:
        place_of(name)
    assert str(caught.value) == f"{start} the path of a checkpoint, or one of these: shapes_x4."


def test_an_embedded_upsampler_is_found_by_its_bare_name():
    assert place_of("shapes_x4") == place_of("embedded:shapes_x4") == "embedded:shapes_x4"
