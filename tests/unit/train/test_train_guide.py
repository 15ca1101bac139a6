"""The frozen image tower that guides G."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny_clip

from t2igan.features.config import SmallClipTowerConfig
from t2igan.losses.config import ClipGuidanceConfig, GigaGANLossConfig, ProjectedGANConfig
from t2igan.train.guide import CROP, build_guide

CPU = torch.device("cpu")
OPEN_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def open_clip_guide(tmp_path: Path):
    """A random open_clip model of a size that tests can afford."""
    path = tmp_path / "tests-guide.json"
    path.write_text(json.dumps(OPEN_CLIP))
    torch.manual_seed(0)
    config = ProjectedGANConfig(clip_weight=1, guide=ClipGuidanceConfig(model=str(path), pretrained=None))
    guide = build_guide(config, CPU)
    assert guide is not None
    return guide


def test_no_weight_or_no_network_is_no_guide():
    assert build_guide(ProjectedGANConfig(), CPU) is None
    assert build_guide(ProjectedGANConfig(clip_weight=0, guide=ClipGuidanceConfig()), CPU) is None


def test_gradient_reaches_the_images(open_clip_guide):
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    embedding = open_clip_guide(images)
    assert embedding.shape == (2, 16)
    embedding.sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0


def test_gigagans_guide_sees_the_whole_of_a_large_image(open_clip_guide, tmp_path: Path):
    config = GigaGANLossConfig(
        clip_weight=1, guide=ClipGuidanceConfig(model=str(tmp_path / "tests-guide.json"), pretrained=None)
    )
    torch.manual_seed(0)
    guide = build_guide(config, CPU)
    assert guide is not None
    image = torch.rand(1, 3, 4 * CROP, 4 * CROP)
    whole = F.interpolate(image, size=(32, 32), mode="area")
    torch.testing.assert_close(guide(image), open_clip_guide(whole))


def test_large_images_are_cropped_and_small_ones_are_seen_whole(open_clip_guide):
    small = torch.rand(1, 3, 32, 32)
    assert torch.equal(open_clip_guide(small), open_clip_guide(small))
    tiled = small.repeat(
        1, 1, 4, 4
    )  # 128 px, period 32: the 64-px crops differ, but for shifts by whole periods
    seen = torch.stack([open_clip_guide(tiled) for _ in range(4)])
    assert (seen - seen[0]).abs().max() > 0
    constant = torch.full((1, 3, 2 * CROP, 2 * CROP), 0.3)
    torch.testing.assert_close(open_clip_guide(constant), open_clip_guide(constant[:, :, :32, :32]))


def test_a_small_clips_tower_is_a_guide(tmp_path: Path):
    config = ProjectedGANConfig(
        clip_weight=1, guide=SmallClipTowerConfig(checkpoint=str(tiny_clip(tmp_path)))
    )
    guide = build_guide(config, CPU)
    assert guide is not None
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    guide(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
