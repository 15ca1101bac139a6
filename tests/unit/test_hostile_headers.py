"""Checkpoints whose header asks for more than their tensors are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from t2igan import checkpoint
from t2igan.checkpoint import Header, with_prefix
from t2igan.encode import to_json
from t2igan.errors import CheckpointError, T2IGanError
from t2igan.models import build_generator
from t2igan.models.gigagan.config import GigaGANConfig, TextLayersConfig
from t2igan.pipeline import TextToImage
from t2igan.upscaler.model import Upscaler

TINY = GigaGANConfig(
    z_dim=4,
    w_dim=8,
    c_dim=8,
    resolution=8,
    text=TextLayersConfig(width=8, depth=0, heads=1),
    mapping_layers=1,
    channel_base=64,
    channel_max=8,
    blocks=(1,),
    kernels=(1,),
    attention={},
)


def upsampler(folder: Path, **changes: Any) -> Path:
    header, tensors = checkpoint.read("embedded:shapes_x4", kind="upsampler")
    header.config.update(changes)
    checkpoint.save(folder / "x4.safetensors", tensors, header)
    return folder / "x4.safetensors"


def generator(folder: Path, **changes: Any) -> Path:
    config = {**json.loads(to_json(TINY)), **changes}
    tensors = with_prefix("G_ema", build_generator(TINY).state_dict())
    header = Header("generator", config, {"kind": "hashing", "dim": 8, "tokens": True})
    checkpoint.save(folder / "model.safetensors", tensors, header)
    return folder / "model.safetensors"


def test_an_upsampler_that_no_memory_holds_is_refused_by_its_shapes(tmp_path: Path):
    path = upsampler(tmp_path, widths=[1 << 14] * 4, kernels=[64])  # 600 GB a convolution
    with pytest.raises(CheckpointError, match="tensors do not fit the network that its header describes"):
        Upscaler.from_checkpoint(path)


def test_a_generator_that_no_memory_holds_is_refused_by_its_shapes(tmp_path: Path):
    assert TextToImage.from_checkpoint(generator(tmp_path)).resolution == 8
    path = generator(tmp_path, channel_base=1 << 20, channel_max=1 << 14, kernels=[64])
    with pytest.raises(CheckpointError, match="tensors do not fit the network that its header describes"):
        TextToImage.from_checkpoint(path)


@pytest.mark.parametrize(
    "change",
    [
        {"widths": [1 << 20, 48, 32, 16]},
        {"widths": [-1, 48, 32, 16]},
        {"blocks": [10**9]},
        {"blocks": []},
        {"kernels": [10**9]},
        {"attention": [10**9]},
        {"down_blocks": 10**9},
        {"mapping_layers": 10**9},
        {"w_dim": 1 << 40},
        {"resolution": 1 << 40},
    ],
)
def test_numbers_out_of_all_proportion_are_refused_before_an_upsampler_is_built(
    tmp_path: Path, change: dict[str, Any]
):
    with pytest.raises(T2IGanError, match=next(iter(change))):
        Upscaler.from_checkpoint(upsampler(tmp_path, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"channel_max": 1 << 40},
        {"blocks": [10**9]},
        {"kernels": []},
        {"attention": {"8": 10**9}},
        {"attention": {"0": 1}},
        {"mapping_layers": 10**9},
        {"resolution": 1 << 40},
        {"text": {"width": 8, "depth": 10**9, "heads": 1}},
    ],
)
def test_numbers_out_of_all_proportion_are_refused_before_a_generator_is_built(
    tmp_path: Path, change: dict[str, Any]
):
    with pytest.raises(T2IGanError, match=next(iter(change))):
        TextToImage.from_checkpoint(generator(tmp_path, **change))


@pytest.mark.parametrize(
    "change", [{"num_res_blocks": 10**9}, {"mapping_layers": 10**9}, {"channel_max": 1 << 20}]
)
def test_a_stylegan_t_of_endless_depth_or_width_is_refused_by_its_header(
    tmp_path: Path, change: dict[str, Any]
):
    header, tensors = checkpoint.read("embedded:shapes", kind="generator")
    header.config.update(change)
    checkpoint.save(tmp_path / "model.safetensors", tensors, header)
    with pytest.raises(T2IGanError, match=f"{next(iter(change))}.*less than or equal to"):
        TextToImage.from_checkpoint(tmp_path / "model.safetensors")
