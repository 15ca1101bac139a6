"""The CLIP that a user names: its settings, and the name of its column."""

from __future__ import annotations

import pytest

from t2igan.cli.rule_options import OPTIONS, choose
from t2igan.curate.clip_choice import parse_clip
from t2igan.curate.config import clip_name
from t2igan.errors import UsageError
from t2igan.metrics.config import ClipFeaturesConfig, SmallClipFeaturesConfig

RUN = "runs/mine_clip/snapshots/000051.2.safetensors"


@pytest.mark.parametrize(
    ("text", "weights", "config", "name"),
    [
        ("ViT-L-14/openai", None, ClipFeaturesConfig(model="ViT-L-14", pretrained="openai"), "ViT-L-14/openai"),
        ("ViT-L-14", "w/mine.pt", ClipFeaturesConfig(model="ViT-L-14", pretrained="w/mine.pt"), "ViT-L-14/mine"),
        ("embedded:shapes_scorer", None, SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer"), "embedded:shapes_scorer"),
    ],
)  # fmt: skip
def test_a_clip_is_read_and_named(text: str, weights: str | None, config: object, name: str):
    found = parse_clip(text, weights=weights)
    assert found == config
    assert clip_name(found) == name


@pytest.mark.parametrize("text", ["ViT-L-14", "/openai", "ViT-L-14/", "nothing.safetensors", "a/b.pt"])
def test_what_names_no_clip_is_refused_with_an_example(text: str):
    with pytest.raises(UsageError, match="ViT-L-14/openai"):
        parse_clip(text)


def test_a_network_of_a_run_is_named_after_the_run_whether_it_scores_or_selects():
    assert clip_name(SmallClipFeaturesConfig(checkpoint=RUN)) == "mine_clip-000051.2"
    chosen = choose(dict.fromkeys(OPTIONS) | {"clip": RUN, "min_clip": 0.3})
    assert (chosen.rules.clip, chosen.clip) == ("mine_clip-000051.2", RUN)
