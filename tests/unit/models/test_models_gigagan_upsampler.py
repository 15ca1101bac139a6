"""The GigaGAN upsampler: what it is before training, its sizes, its noise, what trains, the paper's number."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from t2igan.models import build_upsampler
from t2igan.models.gigagan.config import TextLayersConfig
from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.models.gigagan.upsampler.mapping import waves
from t2igan.models.gigagan.upsampler.network import GigaGANUpsampler, mix
from t2igan.recipe.load import load_recipe

SMALL = GigaGANUpsamplerConfig(
    z_dim=8, w_dim=12, c_dim=0, resolution=64, scale=4, widths=(16, 16, 16, 12, 8), blocks=(1,), attention=()
)


def build(**changes: object) -> GigaGANUpsampler:
    torch.manual_seed(0)
    return build_upsampler(SMALL.model_copy(update=changes)).eval()


def test_an_untrained_network_is_bilinear_interpolation_up_to_the_sides():
    low = torch.rand(2, 3, 8, 12) * 2 - 1
    with torch.no_grad():
        img = build()(low, torch.randn(2, 8))
    torch.testing.assert_close(img, smooth(low))


def smooth(low: torch.Tensor) -> torch.Tensor:
    for _ in range(2):
        low = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
    return low


def test_the_pyramid_begins_with_what_the_network_sees_and_ends_with_the_output():
    G = build()
    low, noise = torch.rand(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    strength = torch.tensor([0.0, 0.6])
    with torch.no_grad():
        images = G.pyramid(low, torch.zeros(1, 8), None, noise=noise, strength=strength)
    assert [img.shape[-1] for img in images] == [32, 16, 8]
    torch.testing.assert_close(images[-1][0], low[0])
    torch.testing.assert_close(images[-1][1], 0.8 * low[1] + 0.6 * noise[1])


def test_mixed_images_keep_unit_variance_and_waves_a_mean_square_of_one():
    img, noise = torch.randn(4, 3, 64, 64), torch.randn(4, 3, 64, 64)
    strength = torch.tensor([0.0, 0.1, 0.5, 0.9])
    assert mix(img, noise, strength).std() == pytest.approx(1, abs=0.02)  # 12,288 numbers an image
    assert waves(strength).square().mean(dim=1).tolist() == pytest.approx([1.0] * 4)


def test_the_strength_of_the_noise_reaches_the_styles():
    G = build()
    a, b = (G.mapping(torch.ones(1, 8), None, torch.tensor([s])) for s in (0.0, 0.2))
    assert (a - b).abs().max() > 1e-2


@pytest.mark.parametrize("how", ["area", "bicubic"])
def test_shrinking_undoes_the_untrained_enlarging_of_smooth_images(how: str):
    G = build(downsample=how)
    line = torch.linspace(-0.5, 0.5, 16)
    low = (line[:, None] * line).expand(1, 3, 16, 16)
    again = G.shrink(smooth(low))
    assert (again - low)[:, :, 2:-2, 2:-2].abs().max() < 0.01  # a fifth of a step between two pixels


def test_shrinking_does_not_alias():
    stripes = torch.tensor([1.0, -1.0]).repeat(32).expand(1, 3, 64, 64)
    for how in ("area", "bicubic"):
        low = build(downsample=how).shrink(stripes)
        assert low[:, :, :, 2:-2].abs().max() < 1e-5  # nearest pixels, the community port's fault 12, give 1


def test_with_frozen_sizes_only_larger_ones_and_every_torgb_train():
    G = build()
    names = G.trainable_names(32)
    assert {name.split(".torgb")[0] for name in names if ".torgb." in name} == {"ups.2", "ups.3", "ups.4"}
    assert {name.split(".")[1] for name in names if ".torgb." not in name} == {"4"}
    assert G.trainable_names() == [name for name, _ in G.named_parameters()]


def test_every_parameter_is_in_one_unit_or_an_affine_map_of_one():
    G = build(
        c_dim=24,
        text=TextLayersConfig(width=16, depth=1, heads=2),
        attention=(1,),
        head_dim=8,
        kernels=(2, 1),
    )
    units = [{id(p) for module in unit for p in module.parameters()} for unit in G.shard_units()]
    assert set().union(*units) == {id(p) for p in G.parameters()}


def test_the_default_is_within_a_quarter_of_a_percent_of_the_papers_359_1_million():
    with torch.device("meta"):
        G = build_upsampler(GigaGANUpsamplerConfig())
    count = sum(p.numel() for p in G.parameters()) / 1e6
    assert count == pytest.approx(358.4, abs=0.05)
    assert math.isclose(count, 359.1, rel_tol=0.0025)
    assert (G.scale, G.multiple, G.img_resolution, len(G.downs), len(G.ups)) == (8, 8, 64, 3, 7)


def test_the_recipe_shapes_x4_sees_fourteen_pixels_around_a_pixel():
    torch.manual_seed(0)
    G = build_upsampler(load_recipe("shapes_x4").generator)  # type: ignore[union-attr]
    with torch.no_grad():
        for parameter in G.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    low = torch.randn(1, 3, 48, 48, requires_grad=True)
    G(low, torch.zeros(1, G.z_dim))[0, :, 94:98, 94:98].square().sum().backward()
    assert low.grad is not None
    seen = low.grad.abs().sum(dim=(0, 1)).nonzero()
    assert [*seen.amin(dim=0), *seen.amax(dim=0)] == [10, 10, 37, 37]  # 23 and 24 lie in the middle


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 6}, "scale 6 is not a power of two"),
        ({"scale": 16}, "5 sizes, but scale 16 needs 6 or more"),
        ({"resolution": 72}, "resolution 72 is no multiple of 16"),
        ({"noise_max": 0.01}, "noise_eval 0.05 is more than noise_max 0.01"),
        ({"attention": (1,), "head_dim": 12}, "16 channels are no multiple of head_dim 12"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, object], message: str):
    with pytest.raises(ValidationError, match=message):
        GigaGANUpsamplerConfig.model_validate({**SMALL.model_dump(), **change})
