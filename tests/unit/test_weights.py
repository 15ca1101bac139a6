from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from t2igan import weights
from t2igan.errors import WeightsError

TIMM_TINY = "test_vit.r160_in1k"  # timm's own test model
TOWER = {"layers": 1, "width": 64, "heads": 2}
CLIP_TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, **TOWER},
}


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("T2IGAN_WEIGHTS", raising=False)
    monkeypatch.delenv("T2IGAN_ALLOW_NETWORK", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def clip_config(tmp_path) -> str:
    path = tmp_path / "t2i-weights-test.json"
    path.write_text(json.dumps(CLIP_TINY))
    return str(path)


def save(model: torch.nn.Module, path: Path) -> None:
    save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()}, str(path))


def test_missing_timm_weights_name_the_model_the_places_and_the_fix(monkeypatch, tmp_path):
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError) as error:
        weights.timm_model("vit_small_patch16_224.dino")
    for part in ("vit_small_patch16_224.dino", str(tmp_path), "Hugging Face cache", "T2IGAN_ALLOW_NETWORK"):
        assert part in str(error.value)


def test_missing_clip_weights_are_an_error_at_once():
    with pytest.raises(WeightsError, match=r"ViT-L-14\.openai"):
        weights.open_clip_model("ViT-L-14", pretrained="openai")


def test_timm_weights_are_found_in_the_weights_folder_by_name(monkeypatch, tmp_path):
    import timm

    torch.manual_seed(0)
    model = timm.create_model(TIMM_TINY, pretrained=False, num_classes=0)
    save(model, tmp_path / f"{TIMM_TINY}.safetensors")
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(tmp_path))
    found = weights.timm_model(TIMM_TINY)
    torch.testing.assert_close(found.state_dict(), model.state_dict())
    assert not found.training


def test_an_explicit_timm_file_wins(tmp_path):
    import timm

    torch.manual_seed(0)
    model = timm.create_model(TIMM_TINY, pretrained=False, num_classes=0)
    save(model, tmp_path / "own.safetensors")
    found = weights.timm_model(TIMM_TINY, file=str(tmp_path / "own.safetensors"))
    torch.testing.assert_close(found.state_dict(), model.state_dict())


def test_timm_weights_are_found_in_the_hub_cache(tmp_path):
    import timm

    torch.manual_seed(0)
    model = timm.create_model(TIMM_TINY, pretrained=False, num_classes=0)
    folder = tmp_path / "hub" / "models--timm--test_vit.r160_in1k"
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    save(model, folder / "snapshots" / "abc" / "model.safetensors")
    torch.testing.assert_close(weights.timm_model(TIMM_TINY).state_dict(), model.state_dict())


@pytest.mark.parametrize("call", [weights.timm_model, weights.open_clip_model, weights.open_clip_tokenizer])
def test_an_unknown_model_is_named(call):
    with pytest.raises(WeightsError, match="no-such-model"):
        call("no-such-model")


def test_an_unknown_tag_lists_the_known_ones():
    with pytest.raises(WeightsError, match="openai"):
        weights.open_clip_model("ViT-L-14", pretrained="opanai")


def test_a_weights_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"gone\.safetensors does not exist"):
        weights.timm_model(TIMM_TINY, file=str(tmp_path / "gone.safetensors"))


def test_a_damaged_weights_file_is_one_line(tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not tensors")
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        weights.timm_model(TIMM_TINY, file=str(path))


def test_open_clip_models_load_from_a_config_and_a_local_file(clip_config, tmp_path):
    torch.manual_seed(0)
    model = weights.open_clip_model(clip_config)
    save(model, tmp_path / "clip.safetensors")
    found = weights.open_clip_model(clip_config, pretrained=str(tmp_path / "clip.safetensors"))
    ids = weights.open_clip_tokenizer(clip_config)(["a red circle"])
    assert torch.equal(found.encode_text(ids), model.encode_text(ids))


def test_quick_gelu_changes_the_activation(clip_config, tmp_path):
    torch.manual_seed(0)
    save(weights.open_clip_model(clip_config), tmp_path / "clip.safetensors")
    ids = weights.open_clip_tokenizer(clip_config)(["a red circle"])
    file = str(tmp_path / "clip.safetensors")
    plain, quick = (
        weights.open_clip_model(clip_config, pretrained=file, quick_gelu=q).encode_text(ids)
        for q in (False, True)
    )
    assert not torch.equal(plain, quick)


def test_a_local_file_for_a_model_with_two_activations_must_say_which(tmp_path):
    path = tmp_path / "ViT-L-14.safetensors"
    path.touch()
    with pytest.raises(WeightsError, match="quick_gelu"):
        weights.open_clip_model("ViT-L-14", pretrained=str(path))


def test_clean_fid_resizes_float_and_antialiased():
    import numpy as np

    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 255
    resized = weights.clean_fid_resizer(16)(image)
    assert resized.shape == (16, 16, 3)
    assert resized.dtype == np.float32
    assert abs(resized.mean() - 127.5) < 1
    assert resized.std() < 5  # stripes average out instead of aliasing
