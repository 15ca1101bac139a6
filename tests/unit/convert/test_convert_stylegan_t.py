from __future__ import annotations

import pytest
import torch

from t2igan import weights
from t2igan.convert.stylegan_t import load_discriminator, load_generator, load_head
from t2igan.errors import CheckpointError
from t2igan.features.config import DinoConfig
from t2igan.features.vit_hooks import ViTTaps
from t2igan.models import build_generator
from t2igan.models.common.heads import Head
from t2igan.models.common.projected import ProjectedDiscriminator
from t2igan.models.config import ProjectedConfig
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.types import Condition

SHAPES = {
    "deep": {"resolution": 16, "num_res_blocks": 3},
    "wide-text": {"z_dim": 24, "c_dim": 40, "resolution": 32},
    "unconditional": {"c_dim": 0, "resolution": 16},
    "128px": {"resolution": 128, "channel_base": 4096, "channel_max": 64},
    "no-formula": {"resolution": 32, "channels_per_resolution": {8: 32, 16: 96, 32: 64}},
    "plain-8px": {"resolution": 8, "num_res_blocks": 0, "noise": False, "mapping_layers": 4},
}


def generator(name: str = "deep") -> torch.nn.Module:
    torch.manual_seed(0)
    common = {"z_dim": 16, "c_dim": 8, "channel_base": 1024, "channel_max": 32, "num_res_blocks": 1}
    return build_generator(
        StyleGANTConfig(**{**common, "average_updates": "per_call", **SHAPES[name]})
    ).eval()


def discriminator(*, c_dim: int = 8, blocks: int = 12, taps: tuple[int, ...] = (2, 5, 8, 11, -1)):
    torch.manual_seed(0)
    vit = weights.vision_transformer(
        img_size=32, patch_size=8, embed_dim=64, depth=blocks, num_heads=4, mlp_ratio=2
    )
    backbone = ViTTaps(DinoConfig(image_size=32, taps=taps), vit)
    return ProjectedDiscriminator(ProjectedConfig(c_dim=c_dim, cmap_dim=16), backbone).eval()


def official(D: ProjectedDiscriminator) -> dict[str, torch.Tensor]:
    return {k.replace("backbone.vit.", "dino.model.model."): v for k, v in D.state_dict().items()}


@pytest.mark.parametrize("name", SHAPES)
def test_generators_of_any_shape_are_rebuilt_from_their_tensors_alone(name):
    expected = generator(name)
    found = load_generator(expected.state_dict(), {})
    assert not found.training
    z = torch.randn(2, expected.z_dim)
    c = Condition(torch.randn(2, expected.c_dim) if expected.c_dim else None)
    assert torch.equal(found(z, c, psi=0.5), expected(z, c, psi=0.5))


def test_channels_that_follow_the_formula_are_known_to():
    assert load_generator(generator("128px").state_dict(), {}).config.channels_per_resolution is None
    assert load_generator(generator("no-formula").state_dict(), {}).config.channels_per_resolution is not None


def test_a_text_tower_inside_the_generator_is_left_out():
    tensors = {**generator().state_dict(), "mapping.clip.model.logit_scale": torch.ones([])}
    load_generator(tensors, {})


def test_only_what_stands_below_weights_is_read_if_anything_does():
    tensors = {f"weights/{k}": v for k, v in generator().state_dict().items()}
    load_generator({**tensors, "in/z": torch.ones(1)}, {})


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit_are_named(change):
    tensors = dict(generator().state_dict())
    name = "synthesis.b16.convs1.1.gamma"
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        name = "synthesis.b16.convs1.1.surprise"
        tensors[name] = torch.ones(1)
    else:
        tensors[name] = torch.ones(1, 7, 1, 1)
    with pytest.raises(CheckpointError, match=name):
        load_generator(tensors, {})


def test_tensors_of_something_else_are_refused():
    with pytest.raises(CheckpointError, match=r"synthesis\.b8"):
        load_generator({"conv.weight": torch.ones(1)}, {})


def test_channels_that_no_group_norm_takes_are_refused():
    tensors = {
        k: v[:, :20] if k.endswith("b16.torgb.weight") else v for k, v in generator().state_dict().items()
    }
    with pytest.raises(CheckpointError, match="multiple of 32"):
        load_generator(tensors, {})


def test_another_upsampling_filter_is_refused():
    tensors = dict(generator().state_dict())
    tensors["synthesis.b16.conv0.resample_filter"] = torch.full((4, 4), 1 / 16)
    with pytest.raises(CheckpointError, match="resample_filter"):
        load_generator(tensors, {})


@pytest.mark.parametrize("c_dim", [0, 8])
def test_discriminators_are_rebuilt_from_their_tensors_and_the_number_of_attention_heads(c_dim):
    expected = discriminator(c_dim=c_dim)
    found = load_discriminator(official(expected), {"vit": {"num_heads": 4}})
    img, c = torch.rand(2, 3, 48, 48), Condition(torch.randn(2, 8) if c_dim else None)
    assert torch.equal(found(img, c), expected(img, c))
    assert found.config.spectral_norm_updates == "per_call"


def test_other_depths_need_their_taps_named():
    expected = discriminator(blocks=4, taps=(1, 3))
    with pytest.raises(CheckpointError, match="hooks"):
        load_discriminator(official(expected), {"vit": {"num_heads": 4}})
    found = load_discriminator(
        official(expected), {"vit": {"num_heads": 4}, "hooks": [1, 3], "hook_patch": False}
    )
    img, c = torch.rand(2, 3, 32, 32), Condition(torch.randn(2, 8))
    assert torch.equal(found(img, c), expected(img, c))


def test_a_discriminator_with_an_unknown_tensor_is_refused():
    tensors = {**official(discriminator()), "dino.model.model.blocks.0.ls1.gamma": torch.ones(64)}
    with pytest.raises(CheckpointError, match="ls1"):
        load_discriminator(tensors, {"vit": {"num_heads": 4}})


@pytest.mark.parametrize(("c_dim", "cmap_dim"), [(0, 64), (8, 16)])
def test_heads_of_any_width_are_rebuilt(c_dim, cmap_dim):
    torch.manual_seed(0)
    expected = Head(24, c_dim, cmap_dim=cmap_dim, virtual_batch=4).eval()
    found = load_head(expected.state_dict(), {"virtual_bs": 4})
    x, c = torch.randn(6, 24, 10), Condition(torch.randn(6, 8))
    assert torch.equal(found(x, c), expected(x, c))


def test_a_head_without_its_classifier_is_refused():
    tensors = {k: v for k, v in Head(24, 8).state_dict().items() if not k.startswith("cls")}
    with pytest.raises(CheckpointError, match="cls"):
        load_head(tensors, {})
