from __future__ import annotations

from typing import Any

import pytest

from t2igan.cli.rule_options import OPTIONS, Chosen, choose
from t2igan.curate.config import Rules
from t2igan.errors import UsageError


def chosen(**given: Any) -> Chosen:
    return choose({name: default for name, (_, default) in OPTIONS.items()} | given)


def test_options_say_every_rule():
    rules = chosen(
        min_resolution=256, max_aspect=3.0, min_bytes=5000, caption_words="2..70", caption_chars="5..", letters=True, max_repetition=0.2,
        languages="en, de", drop_unknown_language=True, max_nsfw=0.5, max_watermark=0.5, clip="ViT-L-14/openai", min_clip=0.2,
        clip_top=0.5, aesthetic="v2", min_aesthetic=5.0, dedup="exact,embedding,phash", phash_distance=0,
        embedding_similarity=0.9, missing="keep",
    ).rules  # fmt: skip
    assert rules.caption_words == (2, 70)
    assert rules.caption_chars == (5, 2**31 - 1)
    assert (rules.languages, rules.keep_unknown_language) == (("en", "de"), False)
    assert (rules.dedup, rules.phash_distance, rules.missing) == (("exact", "embedding", "phash"), 0, "keep")
    unset = {name for name, value in rules.model_dump().items() if value == Rules.model_fields[name].default}
    assert not unset  # so that a new rule gets its option


def test_nothing_given_is_no_rule_and_a_preset_alone_is_the_preset():
    assert chosen() == Chosen(Rules(), None)
    assert chosen(preset="aesthetic6") == Chosen(Rules(aesthetic="v2", min_aesthetic=6.0), "aesthetic6")


def test_rules_of_a_preset_can_be_left_out_by_name():
    found = chosen(preset="t2igan", without="nsfw, watermark,clip,dedup", clip_top=0.5).rules
    assert (found.max_nsfw, found.max_watermark, found.min_clip, found.dedup) == (None, None, None, ())
    assert (found.clip, found.clip_top, found.min_aesthetic) == ("ViT-L-14/openai", 0.5, 5.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"caption_words": "3"}, r"2\.\.70"),
        ({"caption_words": ".."}, r"2\.\.70"),
        ({"caption_words": "a..b"}, r"2\.\.70"),
        ({"dedup": "fuzzy"}, "--dedup"),
        ({"without": "nsfw"}, "no --preset"),
        ({"preset": "sd15", "without": "watermarks"}, "did you mean 'watermark'"),
        ({"preset": "sd15", "without": "watermark", "max_watermark": 0.3}, "also given"),
    ],
)
def test_options_that_say_nothing_clear_are_refused(given: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        chosen(**given)
