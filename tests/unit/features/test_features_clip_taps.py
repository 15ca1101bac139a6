"""Maps of an open_clip image tower, against its blocks called one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from t2igan import weights
from t2igan.errors import UsageError
from t2igan.features import build_backbone
from t2igan.features.config import ClipTapsConfig

OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "layers": 3, "width": 16, "head_width": 8, "patch_size": 4},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "tests-vision.json"
    path.write_text(json.dumps(OPEN_CLIP))
    return str(path)


def test_a_tap_holds_the_patch_tokens_after_its_block(model: str):
    torch.manual_seed(0)
    taps = build_backbone(ClipTapsConfig(model=model, pretrained=None, taps=(2, 0)))
    torch.manual_seed(0)
    visual = weights.open_clip_model(model).visual.eval()
    img = torch.rand(2, 3, 16, 16)
    mean, std = (torch.tensor(visual.preprocess_cfg[key])[:, None, None] for key in ("mean", "std"))
    x = visual.conv1((img - mean) / std).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(2, 1, -1), x], dim=1) + visual.positional_embedding
    x, after = visual.ln_pre(x), []
    for block in visual.transformer.resblocks:
        x = block(x)
        after.append(x[:, 1:].transpose(1, 2).unflatten(2, (4, 4)))
    assert (taps.image_size, taps.channels) == (16, (16, 16))
    for found, expected in zip(taps(img), (after[2], after[0]), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_tap_beyond_the_last_block_is_an_error_that_names_the_blocks(model: str):
    with pytest.raises(UsageError, match=r"image blocks 0\.\.2"):
        build_backbone(ClipTapsConfig(model=model, pretrained=None, taps=(3,)))
