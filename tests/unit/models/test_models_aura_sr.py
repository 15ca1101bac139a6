"""AuraSR's sizes, its contract as an upsampler, and the configs it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from t2igan import checkpoint
from t2igan.convert.aura_sr import published_layout
from t2igan.errors import CheckpointError, UsageError
from t2igan.models import UPSAMPLERS, build_upsampler
from t2igan.models.aura_sr.config import AuraSRConfig
from t2igan.models.aura_sr.network import AuraSR
from t2igan.types import Upsampler

PUBLISHED = 617_554_917  # numbers in the published files
UNUSED = 10  # of which nothing reads these
SMALL = AuraSRConfig(
    resolution=8, dim=2, up_mults=(1, 2, 4), down_mults=(4,), num_blocks=2, num_kernels=2, up_attention=(1, 0, 0),
    down_attention=(0,), mid_attention=1, num_heads=2, head_dim=4, z_dim=6, w_dim=5, mapping_layers=2,
)  # fmt: skip


def built(config: AuraSRConfig = SMALL, seed: int = 0) -> AuraSR:
    torch.manual_seed(seed)
    return build_upsampler(config).eval()


@pytest.fixture(scope="module")
def full() -> AuraSR:
    with torch.device("meta"):
        return build_upsampler(AuraSRConfig())


def test_the_default_has_as_many_parameters_as_the_published_file(full: AuraSR):
    assert sum(p.numel() for p in full.parameters()) == PUBLISHED - UNUSED


def test_the_default_s_published_layout_is_the_file_s(full: AuraSR):
    layout = published_layout(full, full.config, logit_rows=4)
    assert len(layout) == 268
    assert sum(torch.Size(shape).numel() for shape in layout.values()) == PUBLISHED
    known = {
        "style_network.net.0.weight": (512, 128),
        "style_network.net.6.bias": (512,),
        "style_to_conv_modulations.weight": (33048, 512),
        "init_conv.weight": (128, 3, 7, 7),
        "downs.1.0.5.block2.proj.weights": (4, 256, 256, 3, 3),
        "downs.2.1.1.weight": (1024, 512, 3, 3),
        "mid_block2.block1.proj.weights": (4, 1024, 1024, 3, 3),
        "mid_attn.layers.3.0.attend.scale": (1,),
        "mid_attn.layers.3.0.to_qkv.weight": (1536, 1024, 1, 1),
        "ups.0.1.1.layers.3.0.norm.g": (1, 512, 1, 1),
        "ups.1.1.1.layers.1.1.1.weight": (1024, 256, 1, 1),
        "ups.1.1.1.layers.1.1.3.bias": (256,),
        "ups.2.0.0.block1.proj.weights": (4, 128, 256, 3, 3),
        "ups.2.0.0.res_conv.weight": (128, 256, 1, 1),
        "ups.3.1.0.conv.weight": (64, 128, 3, 3),
        "ups.4.1.0.conv.bias": (64,),
        "final_res_block.block2.proj.weights": (4, 64, 64, 3, 3),
        "final_to_rgb.weight": (3, 64, 1, 1),
    }
    assert {name: layout[name] for name in known} == known


def test_it_is_an_upsampler_and_says_its_sizes(full: AuraSR):
    assert isinstance(full, Upsampler)
    found = (full.z_dim, full.c_dim, full.scale, full.img_resolution, full.multiple)
    assert found == (128, 0, 4, 64, 8)
    assert UPSAMPLERS["aura_sr"] is AuraSR


def test_noise_is_added_at_a_thousandth_and_the_input_is_clamped():
    G, z = built(), torch.ones(1, 6)
    white = torch.ones(1, 3, 8, 8)
    with torch.inference_mode():
        assert torch.equal(G(white, z, noise=white), G(white, z))  # nothing is whiter than white
        gray = torch.zeros(1, 3, 8, 8)
        torch.testing.assert_close(G(gray, z, noise=white), G(gray + 2e-3, z))  # [-1, 1] is twice as wide


def test_a_side_that_is_no_multiple_is_refused_by_its_size():
    with pytest.raises(UsageError, match="a picture of 7x8 does not fit: sides must be multiples of 2"):
        built()(torch.zeros(1, 3, 8, 7), torch.ones(1, 6))


def test_a_module_without_memory_takes_a_file_s_tensors_over_as_they_are():
    G = built()
    with torch.device("meta"):
        empty = build_upsampler(SMALL).eval()
    tensors = dict(G.state_dict())
    checkpoint.load_strictly(empty, tensors, source="test")
    assert empty.first.weight.data_ptr() == G.first.weight.data_ptr()
    low, z = torch.zeros(1, 3, 8, 8), torch.ones(1, 6)
    with torch.inference_mode():
        assert torch.equal(empty(low, z), G(low, z))


def test_half_tensors_become_float32_in_a_module_without_memory():
    tensors = {name: value.bfloat16() for name, value in built().state_dict().items()}
    with torch.device("meta"):
        empty = build_upsampler(SMALL)
    checkpoint.load_strictly(empty, tensors, source="test")
    assert {p.dtype for p in empty.parameters()} == {torch.float32}


def test_a_module_without_memory_refuses_tensors_that_do_not_fit():
    tensors = dict(built().state_dict())
    del tensors["to_rgb.bias"]
    with torch.device("meta"):
        empty = build_upsampler(SMALL)
    with pytest.raises(CheckpointError, match=r"1 missing \(to_rgb.bias\)"):
        checkpoint.load_strictly(empty, tensors, source="test")


def test_a_fresh_network_draws_finite_pictures():
    with torch.inference_mode():
        img = built()(torch.zeros(2, 3, 8, 8), torch.randn(2, 6))
    assert img.shape == (2, 3, 32, 32)
    assert bool(img.isfinite().all())
    assert img.std() > 0


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"down_mults": (2, 4, 8), "down_attention": (0, 0, 0)}, "3 stages down and 3 up enlarge nothing"),
        ({"down_mults": (2,)}, "the way down ends at width 2, the way up begins at 4"),
        ({"up_attention": (1, 0)}, "must have one number for each stage"),
        ({"resolution": 7}, "resolution 7 is no multiple of 2"),
        ({"dim": 0}, "greater than or equal to 1"),
        ({"mid_attention": 10**9}, "less than or equal to 64"),
    ],
)
def test_a_config_that_makes_no_network_says_why(keys: dict[str, Any], reason: str):
    with pytest.raises(ValidationError, match=reason):
        AuraSRConfig(**{**SMALL.model_dump(), **keys})
