"""The AuraSR network equals the reference numbers, and a plain second implementation on configs that have none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from aura_sr_reference import Reference
from safetensors import safe_open
from torch import Tensor, nn

from t2igan.convert.aura_sr import load_upsampler, published_layout
from t2igan.convert.aura_sr_config import config_of
from t2igan.models import build_upsampler
from t2igan.models.aura_sr.blocks import AdaptiveConv
from t2igan.models.aura_sr.network import AuraSR
from t2igan.tiles import checkboard_weight

FOLDER = Path(__file__).parents[1] / "fixtures" / "gigagan"
TOLERANCE = 2e-5  # times the largest expected value, at least 1: the fixtures' own; 1e-6 is reached
Case = tuple[dict[str, Tensor], dict[str, Any]]


def load_case(name: str) -> Case:
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["meta"])  # noqa: SIM118


@pytest.fixture(scope="module")
def case() -> Case:
    return load_case("aurasr_unet_a")


@pytest.fixture(scope="module")
def G(case: Case) -> AuraSR:
    return load_upsampler(*case).requires_grad_(False)


def error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max().clamp(min=1)).item()


def in_unit(img: Tensor) -> Tensor:
    return (img + 1) / 2


@pytest.mark.parametrize("is_recorded", [False, True], ids=["inference", "with gradients"])
def test_pictures_equal_the_reference_with_and_without_noise(case: Case, is_recorded: bool):
    tensors, _ = case
    G, low, z = load_upsampler(*case), tensors["in/lowres"] * 2 - 1, tensors["in/style_noise"]
    with torch.set_grad_enabled(is_recorded):
        noisy = G(low, z, noise=tensors["in/noise_aug"])
        clean = G(low, z)
    assert noisy.dtype == torch.float32
    assert error(in_unit(noisy), tensors["out/image"]) < TOLERANCE
    assert error(in_unit(clean), tensors["out/image_no_aug"]) < TOLERANCE


def test_every_stage_equals_the_reference(G: AuraSR, case: Case):
    tensors, _ = case
    seen: dict[str, Tensor] = {}
    places = {"init_conv": G.first, "down0": G.downs[0], "mid": G.mid2, "up0_last_block": G.ups[0].blocks[-1]}  # pyright: ignore
    hooks = [
        part.register_forward_hook(
            lambda _m, _i, out, name=name: seen.update({name: out[0] if isinstance(out, tuple) else out})
        )
        for name, part in places.items()
    ]
    G(tensors["in/lowres"] * 2 - 1, tensors["in/style_noise"])
    for hook in hooks:
        hook.remove()
    for name, found in seen.items():
        assert error(found, tensors[f"out/trace/{name}"]) < TOLERANCE
    assert len(seen) == 4


def test_the_modulation_matrix_is_cut_in_the_reference_s_order(G: AuraSR, case: Case):
    tensors, meta = case
    w = G.mapping(tensors["in/style_noise"])
    assert error(w, tensors["out/styles"]) < TOLERANCE
    convs = [part for part in G.modules() if isinstance(part, AdaptiveConv)]
    told = torch.cat([conv.affine(w) for conv in convs], dim=1)
    assert error(told, tensors["out/conv_mods"]) < TOLERANCE
    assert [n for conv in convs for n in (conv.affine.out_features - 4, 4)] == meta["style_embed_split_dims"]


def test_one_latent_for_all_rows_draws_what_each_row_draws_with_it(G: AuraSR, case: Case):
    tensors, _ = case
    low, z = tensors["in/lowres"] * 2 - 1, tensors["in/style_noise"]
    with torch.inference_mode():
        shared = G(low, z[:1])
        assert error(in_unit(shared[0]), tensors["out/image_no_aug"][0]) < TOLERANCE
        assert error(shared, G(low, z[:1].expand(2, -1))) < TOLERANCE


def test_a_picture_of_another_size_runs_through_and_its_rows_do_not_mix(G: AuraSR):
    low = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    z = torch.ones(1, 128)
    with torch.inference_mode():
        both = G(low, z)
        assert both.shape == (2, 3, 64, 96)
        assert error(both[1:], G(low[1:], z)) < TOLERANCE


def test_bfloat16_draws_nearly_the_same_picture(G: AuraSR, case: Case):
    tensors, _ = case
    low, z = tensors["in/lowres"] * 2 - 1, tensors["in/style_noise"]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = G(low, z[:1])[0]
    assert found.dtype == torch.float32
    expected = tensors["out/image_no_aug"][0]
    assert (in_unit(found) - expected).square().mean().sqrt() < 0.05 * expected.std()


def test_the_checkboard_weight_at_the_published_size_is_the_reference_s():
    tensors, _ = load_case("aurasr_blend_256_cut")
    tile = checkboard_weight(256)
    assert torch.equal(tile, tile.flip(0))
    assert error(tile[:128, :128:2], tensors["out/weight_quarter"]) < TOLERANCE
    shifted = tile.repeat(2, 2).roll((128, 128), (0, 1))
    assert error(shifted[::16, ::8], tensors["out/offset_weight"]) < TOLERANCE


SMALL = {
    "dim": 2,
    "image_size": 32,
    "input_image_size": 8,
    "style_network": {"dim_in": 6, "dim_out": 5, "depth": 2},
    "unconditional": True,
    "up_dim_mults": [1, 2, 4],
    "down_dim_mults": [4],
    "num_conv_kernels": 3,
    "full_attn": [True, False, True],
    "attn_depths": [1, 2, 2],
    "mid_attn_depth": 1,
    "self_attn_dim_head": 4,
    "self_attn_heads": 2,
}
VARIANTS = {
    "attention downwards, scale of skips not told": {},
    "no attention": {"full_attn": [False] * 3, "mid_attn_depth": 0, "skip_connect_scale": 0.3},
    "one kernel": {"num_conv_kernels": 1},
    "two stages down, twice the size": {
        "down_dim_mults": [2, 4],
        "image_size": 16,
        "full_attn": [True] * 3,
        "attn_depths": [1, 1, 1],
    },
    "another width for one stage downwards": {
        "up_dim_mults": [1, 1, 2, 4],
        "down_dim_mults": [3, 4],
        "full_attn": [False] * 4,
        "attn_depths": [1] * 4,
        "skip_connect_scale": None,
    },
    "one layer in the mapping": {"style_network": {"dim_in": 4, "dim_out": 3, "depth": 1}},
}


@pytest.mark.parametrize(("name", "logit_rows"), [*((name, None) for name in VARIANTS), ("one kernel", 1)])
def test_any_config_of_the_format_draws_what_a_plain_implementation_draws(name: str, logit_rows: int | None):
    published = SMALL | VARIANTS[name]
    config = config_of(published)
    rows = logit_rows if logit_rows is not None else config.num_kernels if config.num_kernels > 1 else 0
    with torch.device("meta"):
        layout = published_layout(build_upsampler(config), config, logit_rows=rows)
    generator = torch.Generator().manual_seed(1)
    tensors = {key: torch.randn(shape, generator=generator) * 0.4 for key, shape in layout.items()}
    G = load_upsampler(tensors, published)
    side = config.resolution
    low, z = (torch.rand(2, 3, side, side, generator=generator), torch.randn(2, G.z_dim, generator=generator))
    with torch.inference_mode():
        expected = torch.stack(
            [Reference(tensors, published, logit_rows=rows).draw(*pair) for pair in zip(low, z, strict=True)]
        )
        assert expected.shape[-1] == published["image_size"]
        assert error(in_unit(G(low * 2 - 1, z)), expected) < TOLERANCE
        assert error(in_unit(G(low[:1] * 2 - 1, z[:1])), expected[:1]) < TOLERANCE


def test_the_plain_implementation_equals_the_reference_too(case: Case):
    tensors, meta = case
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights/")}
    reference = Reference(weights, meta["config"], logit_rows=4)
    with torch.inference_mode():
        found = reference.draw(tensors["in/lowres"][0], tensors["in/style_noise"][0])
    assert error(found, tensors["out/image_no_aug"][0]) < TOLERANCE


def test_every_weight_has_a_gradient(case: Case):
    tensors, _ = case
    G: nn.Module = load_upsampler(*case)
    G(tensors["in/lowres"] * 2 - 1, tensors["in/style_noise"]).square().mean().backward()
    for name, parameter in G.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool(parameter.grad.any()), name
