"""The 4x upsampler inside the package: better than bicubic on held-out scenes, and the same picture from tiles."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes import ShapesStream
from t2igan.evaluation.upscale.request import UpscaleEvalRequest
from t2igan.evaluation.upscale.run import evaluate_upscaler
from t2igan.tiles import plan
from t2igan.upscaler.model import Upscaler
from t2igan.upscaling import DEFAULT_UPSCALER

HIGHER = ("psnr_rgb", "psnr_y", "ssim_y")
LOWER = ("perceptual_shapes_scorer", "patch_fd_small_clip")


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `t2igan eval upscale --data shapes:held_out --count 64` finds for the model and for filters."""
    request = UpscaleEvalRequest("shapes:held_out", count=64, cache=tmp_path_factory.mktemp("cache"))
    return evaluate_upscaler(request)["methods"]


@pytest.mark.parametrize("measure", [*HIGHER, *LOWER])
def test_it_beats_bicubic_on_held_out_scenes(measure: str, methods: dict[str, Any]):
    model, bicubic = (methods[name][measure]["value"] for name in ("model", "bicubic"))
    assert model > bicubic if measure in HIGHER else model < bicubic


@pytest.mark.parametrize("side", [32, 64])
def test_tiles_give_the_whole_picture_within_one_level_away_from_the_feather(side: int):
    model = Upscaler.from_checkpoint(DEFAULT_UPSCALER)
    scenes = ShapesStream(ShapesConfig(combinations="held_out"), resolution=88, seed=3)
    images = [torch.from_numpy(scenes.sample(number).image).permute(2, 0, 1) for number in range(6)]
    cut = plan((88, 88), side, overlap=16, multiple=model.G.multiple, scale=4)  # the overlap by default
    settled = torch.stack([tile_area(tile.weight, tile.y, tile.x) for tile in cut.tiles()]).any(dim=0)
    assert settled.float().mean() > 0.4
    whole, tiled = (model.upscale(torch.stack(images), tile=tile).int() for tile in (88, side))
    assert (whole - tiled).abs()[:, :, settled].max() <= 1


def tile_area(weight: Tensor, y: int, x: int) -> Tensor:
    """[352, 352] bool: where a tile alone decides."""
    area = torch.zeros(352 + 64, 352 + 64, dtype=torch.bool)
    area[4 * y : 4 * y + len(weight), 4 * x : 4 * x + weight.shape[1]] = weight == 1
    return area[:352, :352]
