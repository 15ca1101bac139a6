from __future__ import annotations

import pytest
import torch

from t2igan import weights
from t2igan.errors import UsageError
from t2igan.features import BACKBONES, build_backbone
from t2igan.features.config import DinoConfig, RandomConvConfig
from t2igan.features.vit_hooks import ViTTaps


def vit(depth: int = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    return weights.vision_transformer(
        img_size=32, patch_size=8, embed_dim=24, depth=depth, num_heads=3, mlp_ratio=2
    )


def taps(*blocks: int, image_size: int = 32) -> ViTTaps:
    return ViTTaps(DinoConfig(image_size=image_size, taps=blocks), vit())


def images(size: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_every_name_of_the_table_has_a_config_of_that_kind():
    assert BACKBONES.names() == ["dino", "small_clip", "clip", "random_conv"]


def test_random_convolutions_are_the_same_in_every_process_and_frozen():
    config = RandomConvConfig(image_size=16, channels=(4, 8))
    torch.manual_seed(1)
    first = build_backbone(config)
    torch.manual_seed(2)
    second = build_backbone(config)
    maps = first(images(16))
    assert [m.shape for m in maps] == [(2, 4, 8, 8), (2, 8, 4, 4)]
    assert torch.equal(maps[1], second(images(16))[1])
    assert not any(p.requires_grad for p in first.parameters())


def test_taps_are_block_outputs_with_the_class_token_added():
    found = taps(1, -1)
    network = found.vit
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    (tokens,) = network.forward_intermediates(
        (images() - mean) / std,
        indices=[1],
        output_fmt="NLC",
        return_prefix_tokens=True,
        intermediates_only=True,
    )
    patches, prefix = tokens
    expected = (patches + prefix).transpose(1, 2).reshape(2, 24, 4, 4)
    assert found.channels == (24, 24)
    torch.testing.assert_close(found(images())[0], expected)


def test_blocks_after_the_last_tap_are_not_run():
    found = taps(0, -1)
    found.vit.blocks[1] = None
    assert len(found(images())) == 2


def test_another_input_size_resizes_the_position_embedding():
    maps = taps(0, image_size=64)(images(64))
    assert maps[0].shape == (2, 24, 8, 8)
    found = taps(-1)._position(8, 8)
    assert found.shape == (1, 65, 24)
    inner = torch.nn.functional.avg_pool2d(found[:, 1:].transpose(1, 2).reshape(1, 24, 8, 8), 2)
    grid = vit().pos_embed[:, 1:].transpose(1, 2).reshape(1, 24, 4, 4)
    torch.testing.assert_close(
        inner[:, :, 1:-1, 1:-1].mean(), grid[:, :, 1:-1, 1:-1].mean(), atol=0.02, rtol=0
    )


def test_the_image_gets_a_gradient_and_the_network_none():
    found, img = taps(1), images().requires_grad_()
    found(img)[0].square().sum().backward()
    assert img.grad is not None
    assert img.grad.any()
    assert all(p.grad is None for p in found.parameters())


def test_a_tap_beyond_the_last_block_is_refused():
    with pytest.raises(UsageError, match=r"blocks 0\.\.2"):
        taps(3)


def test_a_network_without_class_token_is_refused():
    bare = weights.vision_transformer(
        img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=3, class_token=False, global_pool="avg"
    )
    with pytest.raises(UsageError, match="class token"):
        ViTTaps(DinoConfig(taps=(0,)), bare)
