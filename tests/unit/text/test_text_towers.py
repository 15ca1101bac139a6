"""Frozen text towers as conditioners: open_clip's, and the small CLIP's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tiny import tiny_clip, tiny_recipe

from t2igan import checkpoint, weights
from t2igan.errors import CheckpointError, WeightsError
from t2igan.pipeline import TextToImage
from t2igan.text import CONDITIONERS, build_conditioner
from t2igan.text.clip import ClipText
from t2igan.text.config import ClipTextConfig, SmallClipTextConfig
from t2igan.train.run import run

OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
CAPTIONS = ["a red circle", "a blue square on a white background", ""]


@pytest.fixture
def open_clip_json(tmp_path: Path) -> str:
    path = tmp_path / "tests-text.json"
    path.write_text(json.dumps(OPEN_CLIP))
    return str(path)


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


def embed(conditioner, captions: list[str]) -> torch.Tensor:
    found = conditioner(captions).embed
    assert found is not None
    return found


def test_clip_text_is_open_clips_normalised_text_feature(open_clip_json: str):
    torch.manual_seed(0)
    conditioner = ClipText(ClipTextConfig(model=open_clip_json, pretrained=None), {})
    torch.manual_seed(0)
    model = weights.open_clip_model(open_clip_json)
    ids = weights.open_clip_tokenizer(open_clip_json)(CAPTIONS)
    expected = F.normalize(model.encode_text(ids), dim=1)
    torch.testing.assert_close(embed(conditioner, CAPTIONS), expected)
    assert (conditioner.dim, conditioner.context_length) == (24, 12)


def test_clip_text_cuts_at_its_own_context(open_clip_json: str):
    conditioner = ClipText(ClipTextConfig(model=open_clip_json, pretrained=None), {})
    fits = " ".join(["red"] * 10)
    assert conditioner.cut(fits) == ""
    assert conditioner.cut(f"{fits} blue") == "blue"
    assert torch.equal(*embed(conditioner, [fits, f"{fits} blue"]))


def test_clip_text_reads_a_local_file_and_is_known_by_its_weights(open_clip_json: str, tmp_path: Path):
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        path = tmp_path / f"weights{seed}.safetensors"
        save_file(weights.open_clip_model(open_clip_json).state_dict(), path)
        config = ClipTextConfig(model=open_clip_json, pretrained=str(path))
        found.append([ClipText(config, {}) for _ in range(2)])
    (first, again), (other, _) = found
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert torch.equal(embed(first, CAPTIONS), embed(again, CAPTIONS))
    assert first.weights() == {}  # the header names them


def test_clip_text_without_weights_on_this_machine_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"ViT-B-32.*are not on this machine") as caught:
        build_conditioner(ClipTextConfig(model="ViT-B-32", pretrained="laion2b_s34b_b79k"))
    assert caught.value.exit_code == 1


def test_the_small_clips_text_tower_conditions_as_it_was_trained(small_clip: Path):
    conditioner = build_conditioner(SmallClipTextConfig(checkpoint=str(small_clip)))
    found = embed(conditioner, CAPTIONS)
    assert found.shape == (3, conditioner.dim) == (3, 16)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    carried = conditioner.weights()
    saved = checkpoint.part(load_file(small_clip), "E.text")
    assert carried.keys() == saved.keys()
    assert all(torch.equal(carried[key], saved[key]) for key in saved)


def test_a_carried_tower_needs_no_file(small_clip: Path):
    original = build_conditioner(SmallClipTextConfig(checkpoint=str(small_clip)))
    moved = original.config.model_copy(update={"checkpoint": "/nowhere/clip.safetensors"})
    copy = build_conditioner(moved, original.weights())
    assert torch.equal(embed(original, CAPTIONS), embed(copy, CAPTIONS))
    assert copy.fingerprint == original.fingerprint


def test_a_snapshot_draws_after_its_small_clip_is_gone(tmp_path: Path):
    clip = tiny_clip(tmp_path / "clip")
    recipe = tiny_recipe(f"conditioner={{kind: small_clip, checkpoint: {clip}}}", stages=((16, 1),))
    snapshot = run(recipe, tmp_path / "gan")
    before = TextToImage.from_checkpoint(snapshot)
    expected = before.generate(["a red circle"], [3])
    clip.unlink()
    after = TextToImage.from_checkpoint(snapshot)
    assert torch.equal(after.generate(["a red circle"], [3]), expected)
    assert after.conditioner.fingerprint == before.conditioner.fingerprint


def test_a_small_clip_that_is_missing_or_something_else_is_an_error(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no such checkpoint file"):
        build_conditioner(SmallClipTextConfig(checkpoint=str(tmp_path / "clip.safetensors")))
    snapshot = run(tiny_recipe(stages=((16, 1),)), tmp_path)
    with pytest.raises(CheckpointError, match="of kind 'generator', but 'clip' is needed"):
        build_conditioner(SmallClipTextConfig(checkpoint=str(snapshot)))


def test_every_conditioner_of_the_table_can_be_imported():
    assert CONDITIONERS.names() == ["clip_text", "small_clip", "hashing", "none"]
    assert all(callable(CONDITIONERS[name]) for name in CONDITIONERS.names())
