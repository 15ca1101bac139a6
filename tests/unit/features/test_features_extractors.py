"""Every feature extractor: length, independence of the batch, names that tell its weights; CLIP against open_clip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from t2igan import weights
from t2igan.features import EXTRACTORS, build_extractor
from t2igan.features.clip import OpenClipScorer
from t2igan.metrics.config import (
    ClipFeaturesConfig,
    DinoFeaturesConfig,
    FeaturesConfig,
    InceptionConfig,
    JudgeFeaturesConfig,
    RandomConvFeaturesConfig,
    SmallClipFeaturesConfig,
)
from t2igan.metrics.names import distance_name, score_name

TIMM_TINY = "test_vit.r160_in1k"  # timm's own test model
CLIP_TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "layers": 1, "width": 64, "heads": 2},
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("T2IGAN_WEIGHTS", "T2IGAN_ALLOW_NETWORK"):
        monkeypatch.delenv(name, raising=False)


def pictures(size: int, count: int = 2) -> Tensor:
    shape = (count, 3, size, size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(size))


def test_every_name_of_the_table_has_a_config_of_that_kind():
    kinds = [config.model_fields["kind"].default for config in get_args(get_args(FeaturesConfig)[0])]
    assert EXTRACTORS.names() == kinds


@pytest.fixture
def clip_config(tmp_path: Path) -> ClipFeaturesConfig:
    path = tmp_path / "t2i-extractor-test.json"
    path.write_text(json.dumps(CLIP_TINY))
    return ClipFeaturesConfig(model=str(path), pretrained=None)


@pytest.mark.parametrize(
    ("config", "dim"),
    [
        (DinoFeaturesConfig(model=TIMM_TINY, pretrained=False), 64),
        (SmallClipFeaturesConfig(), 96),
        (JudgeFeaturesConfig(), 128),
        (RandomConvFeaturesConfig(), 192),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_features_are_rows_of_the_stated_length_and_the_same_in_any_batch(config: FeaturesConfig, dim: int):
    extractor = build_extractor(config)
    rows = extractor(pictures(24, 5))
    assert rows.shape == (5, dim)
    assert (rows.dtype, extractor.dim) == (torch.float32, dim)
    torch.testing.assert_close(extractor(pictures(24, 5)[3:]), rows[3:], rtol=1e-4, atol=1e-5)


def test_the_name_of_an_extractor_tells_its_weights():
    config = DinoFeaturesConfig(model=TIMM_TINY, pretrained=False)
    torch.manual_seed(1)
    first, again = build_extractor(config).name, build_extractor(config).name
    assert first != again
    assert (
        build_extractor(RandomConvFeaturesConfig()).name == build_extractor(RandomConvFeaturesConfig()).name
    )


def test_clip_embeddings_are_open_clip_s(clip_config: ClipFeaturesConfig):
    torch.manual_seed(0)
    model = weights.open_clip_model(clip_config.model)
    torch.manual_seed(0)
    scorer = OpenClipScorer(clip_config)
    mean, std = (torch.tensor(model.visual.preprocess_cfg[key])[:, None, None] for key in ("mean", "std"))
    with torch.no_grad():
        expected = model.encode_image((pictures(16) / 255 - mean) / std)
        texts = model.encode_text(weights.open_clip_tokenizer(clip_config.model)(["a cat", "a red dog"]))
    torch.testing.assert_close(scorer.embed_images(pictures(16)), expected)
    torch.testing.assert_close(scorer.embed_texts(["a cat", "a red dog"]), texts)
    torch.manual_seed(0)
    torch.testing.assert_close(build_extractor(clip_config)(pictures(16)), expected)


def test_only_inception_with_the_known_weights_is_called_fid():
    assert distance_name(InceptionConfig()) == "fid"
    assert distance_name(InceptionConfig(sha256="0" * 64)) == "fd_inception"
    assert distance_name(InceptionConfig(resize="legacy_tensorflow")) == "fid_legacy_tensorflow"
    assert (
        distance_name(DinoFeaturesConfig(model="vit_small_patch16_224.dino"))
        == "fd_vit_small_patch16_224.dino"
    )
    assert distance_name(ClipFeaturesConfig()) == "fd_ViT-g-14_laion2b_s12b_b42k"
    assert distance_name(JudgeFeaturesConfig()) == "fd_judge"


def test_scores_of_two_clips_have_two_names():
    big_g = ClipFeaturesConfig(model="ViT-bigG-14", pretrained="laion2b_s39b_b160k")
    local = ClipFeaturesConfig(model="ViT-g-14", pretrained="weights/mine.pt")
    names = [score_name(config) for config in (ClipFeaturesConfig(), big_g, local, SmallClipFeaturesConfig())]
    assert names == [
        "clip_score_ViT-g-14_laion2b_s12b_b42k",
        "clip_score_ViT-bigG-14_laion2b_s39b_b160k",
        "clip_score_ViT-g-14_mine",
        "clip_score_small_clip",
    ]
