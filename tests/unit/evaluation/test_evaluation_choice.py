"""Words -> metrics: names tell networks, only Inception's Frechet distance is a FID, no option is accepted in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

from t2igan.errors import UsageError, WeightsError
from t2igan.evaluation.choice import (
    FEATURES,
    OFFLINE,
    WORDS,
    check_weights,
    choose_metrics,
    clip_of,
    network_of,
)
from t2igan.features.inception import FILE, URL
from t2igan.metrics.config import INCEPTION_SHA256, ClipFeaturesConfig, SmallClipFeaturesConfig


def names(*words: str, **how: object) -> list[str]:
    return [metric.name for metric in choose_metrics(words, **how)]  # pyright: ignore[reportArgumentType]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("T2IGAN_WEIGHTS", "T2IGAN_ALLOW_NETWORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))


def test_every_word_is_a_metric_that_is_named_after_its_network():
    assert names(*WORDS) == [
        "fid",
        "kid",
        "prdc",
        "is",
        "fd_vit_large_patch14_dinov2.lvd142m",
        "cmmd_ViT-L-14-336_openai",
        "clip_score_ViT-g-14_laion2b_s12b_b42k",
    ]
    assert names("fd", "kid", "prdc", "cmmd", features="judge") == [
        "fd_judge",
        "kid_judge",
        "prdc_judge",
        "cmmd_judge",
    ]
    assert names("fid", "kid", "is", resize="legacy_pytorch") == [
        "fid_legacy_pytorch",
        "kid_legacy_pytorch",
        "is_legacy_pytorch",
    ]


@pytest.mark.parametrize("features", [name for name in FEATURES if name != "inception"])
def test_no_other_network_s_distance_is_called_fid(features: str):
    assert not any("fid" in name for name in names("fd", "kid", "prdc", features=features))
    with pytest.raises(UsageError, match="ask for fd"):
        choose_metrics(["fid"], features=features)


def test_several_clips_score_under_names_of_their_own():
    found = names("clip_score", clips=["ViT-bigG-14/laion2b_s39b_b160k", "embedded:shapes_clip", "embedded:shapes_scorer"])  # fmt: skip
    assert found == [
        "clip_score_ViT-bigG-14_laion2b_s39b_b160k",
        "clip_score_small_clip_shapes_clip",
        "clip_score_small_clip",
    ]
    assert clip_of("ViT-L-14/openai") == ClipFeaturesConfig(model="ViT-L-14", pretrained="openai")
    assert clip_of("embedded:shapes_scorer") == SmallClipFeaturesConfig()


def test_a_network_may_be_named_with_its_weights():
    assert network_of("clip:ViT-L-14/openai") == ClipFeaturesConfig(model="ViT-L-14", pretrained="openai")
    assert names("fd", features="small_clip:embedded:shapes_clip") == ["fd_small_clip_shapes_clip"]


@pytest.mark.parametrize(
    ("words", "how", "text"),
    [
        ([], {}, "no metric is named"),
        (["fib"], {}, "did you mean 'fid'"),
        (["fd"], {"features": "jugde"}, "did you mean 'judge'"),
        (["fd"], {"features": "random_conv:x"}, "nothing after a colon"),
        (["fd"], {"clips": ["ViT-L-14/openai"]}, "does not ask for"),
        (["fd"], {"features": "judge", "resize": "legacy_pytorch"}, "does nothing"),
        (["clip_score"], {"clips": ["ViT-L-14"]}, "MODEL/TAG"),
        (["clip_score"], {"clips": ["embedded:a/x", "embedded:b/x"]}, "would share the name"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], how: dict[str, object], text: str):
    with pytest.raises(UsageError, match=text):
        names(*words, **how)


def test_missing_weights_are_an_error_before_any_picture_is_read_that_names_offline_networks():
    with pytest.raises(WeightsError) as error:
        check_weights(choose_metrics(["fid"]))
    for part in (FILE, URL, INCEPTION_SHA256, *OFFLINE):
        assert part in str(error.value)
    for words in (["fd_dinov2"], ["cmmd"], ["clip_score"]):
        with pytest.raises(WeightsError, match="not on this machine"):
            check_weights(choose_metrics(words))
    for features in OFFLINE:
        check_weights(choose_metrics(["fd"], features=features))
