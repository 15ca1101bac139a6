"""AuraSR files become checkpoints that draw the reference picture, with licence and self-test."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from aura_sr_files import reference, write_model

from t2igan import checkpoint
from t2igan.checkpoint import part
from t2igan.convert.aura_sr import load_upsampler
from t2igan.convert.aura_sr_file import convert
from t2igan.convert.self_test import agrees
from t2igan.decode import decode_json
from t2igan.models import build_upsampler
from t2igan.models.config import UpsamplerConfig
from t2igan.tensor_memory import apart

WEIGHTS, CONFIG, DATA = reference()
TOLERANCE = 2e-5  # from the fixtures' README
V2 = "models--fal--AuraSR-v2/snapshots/0123abc"


def read(path: Path) -> Any:
    """The network of a checkpoint, as whoever enlarges a picture builds it."""
    header, tensors = checkpoint.read(path, kind="upsampler")
    with torch.device("meta"):
        G = build_upsampler(decode_json(json.dumps(header.config), UpsamplerConfig, source="header"))
    checkpoint.load_strictly(G, part(tensors, "G_ema"), source=str(path))
    return G.eval()


@torch.inference_mode()
def error(G: Any) -> float:
    img = G(DATA["in/lowres"] * 2 - 1, DATA["in/style_noise"], noise=DATA["in/noise_aug"])
    return ((img + 1) / 2 - DATA["out/image"]).abs().max().item()


def test_a_folder_becomes_a_checkpoint_that_draws_the_reference_picture(tmp_path: Path):
    done = convert(str(write_model(tmp_path / "v")), tmp_path / "M.safetensors", licence="apache-2.0")
    assert done.warnings == ()
    header = checkpoint.read_header(tmp_path / "M.safetensors")
    assert (header.kind, header.config["arch"], header.config["dim"]) == ("upsampler", "aura_sr", 2)
    assert header.progress["licence"] == "apache-2.0"
    assert len(header.progress["sha256"]) == 64
    assert error(read(tmp_path / "M.safetensors")) < TOLERANCE


def test_bfloat16_halves_the_file_and_is_read_as_float32(tmp_path: Path):
    folder = write_model(tmp_path / "v")
    for kind in ("fp32", "bf16"):
        convert(str(folder), tmp_path / f"{kind}.safetensors", dtype=kind, licence="mine")
    sizes = [(tmp_path / f"{kind}.safetensors").stat().st_size for kind in ("fp32", "bf16")]
    assert 0.48 < sizes[1] / sizes[0] < 0.55  # names take some of it
    G = read(tmp_path / "bf16.safetensors")
    assert {p.dtype for p in G.parameters()} == {torch.float32}
    assert error(G) < 0.1


def test_a_config_elsewhere_and_the_first_one_s_python_literals_are_read(tmp_path: Path):
    folder = write_model(tmp_path / "v")
    text = (folder / "config.json").read_text()
    (folder / "config.json").rename(tmp_path / "other.json")
    (tmp_path / "other.json").write_text(text.replace("true", "True"))
    convert(str(folder / "model.safetensors"), tmp_path / "M.safetensors", config=tmp_path / "other.json")
    assert error(read(tmp_path / "M.safetensors")) < TOLERANCE


def test_the_scale_that_nothing_reads_may_be_there_or_not(tmp_path: Path):
    unused = {name: None for name in WEIGHTS if name.endswith("attend.scale")}
    assert len(unused) == 10
    convert(str(write_model(tmp_path / "v", unused)), tmp_path / "M.safetensors")
    assert error(read(tmp_path / "M.safetensors")) < TOLERANCE


def test_loading_shares_no_memory_with_the_tensors():
    tensors = {name: value.clone() for name, value in WEIGHTS.items()}
    G = load_upsampler(tensors, CONFIG)
    for value in tensors.values():
        value.zero_()
    assert error(G) < TOLERANCE


def test_weights_in_the_hub_cache_bring_their_licence_and_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = write_model(tmp_path / V2)
    (tmp_path / V2).parents[1].joinpath("refs").mkdir()
    (tmp_path / V2).parents[1].joinpath("refs", "main").write_text("0123abc")
    for source in ("fal/AuraSR-v2", str(folder)):
        done = convert(source, tmp_path / "M.safetensors", may_overwrite=True)
        assert done.warnings == ()
        told = {key: done.header.progress[key] for key in ("source", "revision", "licence")}
        assert told == {"source": "fal/AuraSR-v2", "revision": "0123abc", "licence": "apache-2.0"}


def test_an_unclear_and_an_unstated_licence_are_warned_of(tmp_path: Path):
    v1 = convert(str(write_model(tmp_path / V2.replace("AuraSR-v2", "AuraSR"))), tmp_path / "M1.safetensors")
    assert v1.header.progress["licence"] == "cc (variant not stated)"
    assert "unclear" in v1.warnings[0]
    unknown = convert(str(write_model(tmp_path / "v")), tmp_path / "M2.safetensors")
    assert unknown.header.progress["licence"] == "not stated"
    assert "--licence" in unknown.warnings[0]


def test_a_second_conversion_says_if_the_same_weights_draw_something_else(tmp_path: Path):
    source, out = str(write_model(tmp_path / "v")), tmp_path / "M.safetensors"
    first = convert(source, out, licence="mine")
    assert convert(source, out, licence="mine", may_overwrite=True).warnings == ()
    header, tensors = checkpoint.read(out, kind="upsampler")
    other = [value + 0.1 for value in first.header.progress["self_test"]]
    header.progress["self_test"] = other
    checkpoint.save(out, tensors, header)
    (warning,) = convert(source, out, licence="mine", may_overwrite=True).warnings
    assert "the same weights draw another picture" in warning


def test_self_tests_agree_up_to_rounding_and_never_with_nonsense():
    assert agrees([0.10001, -2.0], [0.1, -2.001])
    assert not agrees([0.2, -2.0], [0.1, -2.0])
    assert not any(agrees(first, [0.1]) for first in (None, "x", [], ["0.1"], [float("nan")]))


def test_saving_copies_only_tensors_that_share_memory():
    matrix = torch.arange(12.0).reshape(4, 3)
    tensors = {"a": matrix[:2], "b": matrix[2:], "again": matrix[1:3], "turned": matrix.T, "none": matrix[:0]}
    plain = apart(tensors)
    assert all(torch.equal(plain[name], tensors[name]) for name in tensors)
    assert all(value.is_contiguous() for value in plain.values())
    assert plain["a"].data_ptr() == matrix.data_ptr()
    ranges = sorted((v.data_ptr(), v.data_ptr() + v.nbytes) for v in plain.values() if v.nbytes)
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))


def test_tensors_below_a_prefix_load_too():
    G = load_upsampler({f"weights/{name}": value for name, value in WEIGHTS.items()}, {"config": CONFIG})
    assert error(G) < TOLERANCE
