"""AuraSR's two ways of tiling, recorded from the reference package with every draw, against ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from t2igan.convert.aura_sr import load_upsampler
from t2igan.tiles import Blend, Plan, Tile, plan
from t2igan.upscaler.run import run_tiles

FILE = Path(__file__).parent.parent / "fixtures" / "gigagan" / "aurasr_pipeline_c.safetensors"
ATOL = 2e-5  # float32, as the fixture states
BLENDS: tuple[tuple[Blend, str], ...] = (
    ("paste", "plain"),
    ("checkboard", "overlap_checkboard"),
    ("constant", "overlap_constant"),
)
Read = tuple[dict[str, Tensor], dict[str, Any]]


@dataclass
class Recorded:
    """Draws that are told, tile by tile."""

    z: Tensor
    eps: Tensor
    is_shared: bool = False

    def latent(self, tile: Tile) -> Tensor:
        return self.z[tile.number]

    def noise(self, of: Plan, tile: Tile) -> Tensor:
        del of
        return self.eps[tile.number]


@pytest.fixture(scope="module")
def recorded() -> Read:
    with safe_open(FILE, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["meta"])  # noqa: SIM118


def draws_of(tensors: dict[str, Tensor], blend: Blend) -> Recorded:
    if blend == "paste":
        return Recorded(tensors["in/plain/style_noise"], tensors["in/plain/noise_aug"])
    passes = ["in/overlap/pass1", "in/overlap/pass2"]
    return Recorded(
        torch.cat([tensors[f"{name}/style_noise"] for name in passes]),
        torch.cat([tensors[f"{name}/noise_aug"] for name in passes]),
    )


@pytest.mark.parametrize(("blend", "name"), BLENDS)
@pytest.mark.parametrize("batch", [1, 5])
def test_the_picture_is_the_references(recorded: Read, blend: Blend, name: str, batch: int):
    tensors, meta = recorded
    low = tensors["in/image_uint8_hwc"].permute(2, 0, 1)[None]
    of = plan((13, 18), 8, overlap=0, multiple=2, scale=4, blend=blend)
    G = load_upsampler(tensors, meta)
    (found,) = run_tiles(G, low, of, draws=[draws_of(tensors, blend)], batch=batch)
    expected = tensors[f"out/{name}/uint8_hwc"].permute(2, 0, 1)
    difference = (found.int() - expected.int()).abs()
    assert int(difference.max()) <= 1
    assert (
        float((difference > 0).float().mean()) < 1e-3
    )  # levels are cut off, so a rounding error may cross one


@pytest.mark.parametrize(("blend", "name"), BLENDS)
def test_the_floats_before_the_bytes_are_the_references(recorded: Read, blend: Blend, name: str):
    tensors, meta = recorded
    of = plan((13, 18), 8, overlap=0, multiple=2, scale=4, blend=blend)
    image, G = tensors["in/image_uint8_hwc"].permute(2, 0, 1), load_upsampler(tensors, meta)
    draws = draws_of(tensors, blend)
    total = torch.zeros(3, 13 * 4 + 64, 18 * 4 + 64)
    with torch.inference_mode():
        for tile in of.tiles():
            low = image[:, of.rows(tile)][:, :, of.columns(tile)][None] / 127.5 - 1
            z, eps = draws.latent(tile)[None], draws.noise(of, tile)[None]
            img = G(low, z, noise=eps)[0].clamp(-1, 1) * tile.weight
            y, x = tile.y * 4 + 16, tile.x * 4 + 16
            total[:, y : y + 32, x : x + 32] += img
    found = (total[:, 16 : 16 + 52, 16 : 16 + 72] + 1) / 2
    assert float((found - tensors[f"out/{name}/float"]).abs().max()) < ATOL


def test_weights_and_padding_are_the_references(recorded: Read):
    tensors, _ = recorded
    of = plan((13, 18), 8, overlap=0, multiple=2, scale=4, blend="checkboard")
    first, second = tensors["out/blend/pass1_weight"], tensors["out/blend/pass2_weight"]
    share = first / (first + second)
    image = tensors["in/image_uint8_hwc"].permute(2, 0, 1) / 255
    for tile in of.tiles():
        if tile.number < 6:
            y, x = tile.y * 4, tile.x * 4
            assert torch.allclose(tile.weight, share[y : y + 32, x : x + 32], atol=1e-6)
            expected = tensors["out/padded_input"][:, tile.y : tile.y + 8, tile.x : tile.x + 8]
        else:
            y, x = tile.y + 4, tile.x + 4
            expected = tensors["out/padded_input_offset"][:, y : y + 8, x : x + 8]
        assert torch.equal(image[:, of.rows(tile)][:, :, of.columns(tile)], expected)
