from __future__ import annotations

import numpy as np
import pytest
from score_tables import B32, L14, random_table, table_of

from t2igan.curate.columns import column_of
from t2igan.curate.config import Rules
from t2igan.curate.rules import ORDER, cheap, reasons
from t2igan.errors import DataError, UsageError


def reasons_of(rules: Rules, **columns) -> list[str]:
    return reasons(table_of(len(next(iter(columns.values()))), **columns), rules).tolist()


def test_without_rules_only_problems_are_dropped():
    assert reasons_of(Rules(), problem=["", "no caption", ""]) == ["", "no caption", ""]


def test_the_shorter_side_decides_the_resolution():
    found = reasons_of(Rules(min_resolution=256), width=[256, 255, 900, 256], height=[256, 900, 255, 900])
    assert found == ["", "min_resolution", "min_resolution", ""]


def test_aspect_counts_both_ways_and_its_limit_is_kept():
    found = reasons_of(Rules(max_aspect=2.5), width=[500, 501, 200, 200], height=[200, 200, 500, 501])
    assert found == ["", "max_aspect", "", "max_aspect"]


def test_limits_are_inclusive_in_the_precision_of_the_scores():
    # the nearest float32 of 0.22 lies below 0.22, that of 0.2 above 0.2
    assert reasons_of(Rules(min_clip=0.22), clip_=[0.22, 0.2199]) == ["", "clip"]
    assert reasons_of(Rules(max_repetition=0.2), repetition=[0.2, 0.21]) == ["", "repetition"]


def test_word_ranges_are_kept_at_both_ends():
    found = reasons_of(Rules(caption_words=(2, 4)), words=[1, 2, 4, 5])
    assert found == ["caption_words", "", "", "caption_words"]


def test_a_caption_without_a_letter_goes_if_letters_are_asked_for():
    assert reasons_of(Rules(letters=True), letters=[0, 1]) == ["letters", ""]
    assert reasons_of(Rules(), letters=[0, 1]) == ["", ""]


def test_short_captions_of_unknown_language_stay_unless_told_otherwise():
    languages = ["en", "de", "unknown", None]
    assert reasons_of(Rules(languages=("en",)), language=languages) == ["", "language", "", "no language"]
    strict = Rules(languages=("en", "de"), keep_unknown_language=False)
    assert reasons_of(strict, language=languages) == ["", "", "language", "no language"]


def test_a_missing_score_drops_or_keeps_as_told():
    scores = [0.3, None, float("nan"), 0.1]
    gone = "no clip score"
    assert reasons_of(Rules(min_clip=0.2), clip_=scores) == ["", gone, gone, "clip"]
    assert reasons_of(Rules(min_clip=0.2, missing="keep"), clip_=scores) == ["", "", "", "clip"]
    assert reasons_of(Rules(clip_top=0.5), clip_=scores) == ["", gone, gone, ""]


def test_the_first_rule_in_order_names_the_reason_and_a_problem_goes_before_all():
    rules = Rules(min_resolution=256, max_aspect=2, caption_words=(2, 9), max_nsfw=0.5, min_clip=0.2)
    columns = {
        "width": [100] * 4,
        "height": [600] * 4,
        "words": [1] * 4,
        "nsfw": [0.9] * 4,
        "clip_": [0.1] * 4,
    }
    assert reasons_of(rules, **columns) == ["min_resolution"] * 4
    assert reasons_of(rules.model_copy(update={"min_resolution": None}), **columns) == ["max_aspect"] * 4
    late = rules.model_copy(update={"min_resolution": None, "max_aspect": None, "caption_words": None})
    assert reasons_of(late, **columns, problem=["", "no caption", "", ""]) == [
        "nsfw",
        "no caption",
        "nsfw",
        "nsfw",
    ]


def test_a_random_table_gives_what_pandas_gives():
    table = random_table(3000, seed=1)
    rules = Rules(min_resolution=256, max_aspect=2.0, min_bytes=5000, caption_words=(2, 10), caption_chars=(5, 50), letters=True,
                  max_repetition=0.8, languages=("en",), max_nsfw=0.6, max_watermark=0.7, min_clip=0.22, min_aesthetic=4.5)  # fmt: skip
    df = table.columns.to_pandas()
    short, long = df[["width", "height"]].min(axis=1), df[["width", "height"]].max(axis=1)
    f32 = np.float32
    fails = {
        "min_resolution": short < 256, "max_aspect": long / short > 2.0, "min_bytes": df.bytes < 5000,
        "caption_words": ~df.words.between(2, 10), "caption_chars": ~df.chars.between(5, 50), "letters": df.letters < 1,
        "repetition": df.repetition > f32(0.8), "no language": df.language.isna(), "language": ~df.language.isin(["en", "unknown"]),
        "no nsfw score": df.nsfw.isna(), "nsfw": df.nsfw > f32(0.6),
        "no watermark score": df.watermark.isna(), "watermark": df.watermark > f32(0.7),
        "no clip score": df[L14].isna(), "clip": df[L14] < f32(0.22),
        "no aesthetic score": df["aesthetic:v2"].isna(), "aesthetic": df["aesthetic:v2"] < f32(4.5),
    }  # fmt: skip
    expected = df.problem.copy()
    for reason in fails:
        expected[(expected == "") & fails[reason]] = reason
    assert reasons(table, rules).tolist() == expected.tolist()
    assert set(fails) <= set(ORDER)
    assert set(expected) == {"", "no caption", "does not decode", *fails}  # every rule had something to do


def test_cheap_drops_nothing_for_scores_that_are_not_known_yet():
    rules = Rules(min_resolution=256, min_clip=0.2, min_aesthetic=5, max_nsfw=0.5)
    table = table_of(4, width=[100, 300, 300, 300], height=[300] * 4, nsfw=[None, None, 0.9, 0.1])
    assert cheap(table, rules).tolist() == ["min_resolution", "", "nsfw", ""]


def test_a_threshold_meant_for_another_model_is_refused_by_both_names():
    table = table_of(2, clip_=[0.2, 0.3])
    with pytest.raises(DataError, match=r"ViT-B-32/openai.*ViT-L-14/openai"):
        reasons(table, Rules(clip="ViT-B-32/openai", min_clip=0.28))


def test_a_score_that_is_missing_says_how_to_make_it():
    with pytest.raises(DataError, match="data score DIR --clip"):
        reasons(table_of(2), Rules(min_clip=0.28))
    with pytest.raises(DataError, match=r"data score DIR .*--watermark"):
        reasons(table_of(2), Rules(max_watermark=0.5))


def test_several_models_must_be_told_apart():
    table = table_of(2, clip_=[0.2, 0.3], b32=[0.3, 0.2])
    with pytest.raises(UsageError, match=r"ViT-L-14/openai.*ViT-B-32/openai"):
        reasons(table, Rules(min_clip=0.25))
    assert reasons(table, Rules(min_clip=0.25, clip="ViT-B-32/openai")).tolist() == ["", "clip"]
    assert column_of(table, "clip", "ViT-L-14/openai") == L14
    assert column_of(table_of(1, b32=[0.1]), "clip") == B32
