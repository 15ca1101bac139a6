from __future__ import annotations

import pytest

from t2igan.curate.config import Rules
from t2igan.curate.presets import PRESETS, check_used, combine, find_preset
from t2igan.errors import UsageError


def test_presets_hold_the_published_thresholds():
    rules = {name: preset.rules for name, preset in PRESETS.items()}
    assert (rules["laion2b"].clip, rules["laion2b"].min_clip, rules["laion2b"].languages) == (
        "ViT-B-32/openai",
        0.28,
        ("en",),
    )
    basic = rules["datacomp-basic"]  # more than 2 words and 5 characters, at least 200 px, at most 3
    assert (basic.caption_words, basic.caption_chars) == ((3, 2**31 - 1), (6, 2**31 - 1))
    assert (basic.min_resolution, basic.max_aspect) == (200, 3.0)
    assert (rules["datacomp-clip30"].clip, rules["datacomp-clip30"].clip_top) == ("ViT-L-14/openai", 0.3)
    assert (rules["sd15"].min_resolution, rules["sd15"].min_aesthetic, rules["sd15"].max_watermark) == (
        512,
        5.0,
        0.5,
    )
    assert (rules["cc12m"].max_aspect, rules["cc12m"].caption_words, rules["cc12m"].max_repetition) == (
        2.5,
        (3, 256),
        0.2,
    )
    assert rules["aesthetic6"] == Rules(aesthetic="v2", min_aesthetic=6.0)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_it_is_where_it_is_from_and_what_it_leaves_out(name):
    preset = PRESETS[name]
    assert preset.meaning
    assert preset.source
    assert preset.differs
    assert combine(name, {}) == preset.rules


@pytest.mark.parametrize("name", ["stylegan_t", "stylegan-t", "StyleGAN-T", "gigagan"])
def test_papers_that_publish_no_thresholds_have_no_preset(name):
    with pytest.raises(UsageError, match="no"):
        find_preset(name)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'laion2b'"):
        combine("laion2", {})


def test_options_replace_the_presets_rules_and_none_takes_one_away():
    rules = combine("sd15", {"min_resolution": 256, "max_watermark": None, "dedup": ("phash",)})
    assert rules == Rules(min_resolution=256, aesthetic="v2", min_aesthetic=5.0, dedup=("phash",))
    assert combine(None, {}) == Rules()


def test_a_presets_threshold_is_not_used_for_another_model():
    with pytest.raises(UsageError, match="meant for ViT-B-32/openai"):
        combine("laion2b", {"clip": "ViT-L-14/openai"})
    rules = combine("laion2b", {"clip": "ViT-L-14/openai", "min_clip": 0.2})
    assert (rules.clip, rules.min_clip) == ("ViT-L-14/openai", 0.2)


def test_a_model_without_a_threshold_is_refused():
    with pytest.raises(UsageError, match="no effect without --min-clip or --clip-top"):
        check_used(Rules(clip="ViT-L-14/openai"))
    check_used(Rules(clip="ViT-L-14/openai", min_clip=0.0))
    check_used(Rules(clip="ViT-L-14/openai", dedup=("exact",)))  # says which scores rank duplicates


def test_values_that_no_rule_can_have_are_refused_by_the_options_name():
    with pytest.raises(UsageError, match=r"--clip-top 1\.5"):
        combine(None, {"clip_top": 1.5})
    with pytest.raises(UsageError, match=r"--caption-words 5\.\.2"):
        combine(None, {"caption_words": (5, 2)})
