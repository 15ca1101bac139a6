from __future__ import annotations

import hashlib

import numpy as np
import pytest

from t2igan.curate.measures.carried import COLUMNS, carried, info, sources, uid

LAION = {
    "similarity": 0.31,
    "punsafe": 0.01,
    "pwatermark": 0.2,
    "aesthetic": 7.5,
    "hash": -123,
    "NSFW": "UNLIKELY",
}
COYO = {
    "clip_similarity_vitb32": 0.29,
    "clip_similarity_vitl14": 0.22,
    "nsfw_score_opennsfw2": 0.02,
    "nsfw_score_gantman": 0.9,
    "watermark_score": 0.6,
    "aesthetic_score_laion_v2": 5.1,
}
DATACOMP = {"clip_b32_similarity_score": 0.25, "clip_l14_similarity_score": 0.19, "uid": "0" * 32}


def test_laions_columns_are_known():
    assert carried(LAION) == {
        "clip:ViT-B-32/openai": 0.31, "nsfw": 0.01, "watermark": 0.2, "aesthetic:v1": 7.5
    }  # fmt: skip
    assert carried({"AESTHETIC_SCORE": 6.5}) == {"aesthetic:v2": 6.5}


def test_coyos_columns_are_known():
    assert carried(COYO) == {
        "clip:ViT-B-32/openai": 0.29, "clip:ViT-L-14/openai": 0.22, "nsfw": 0.02, "watermark": 0.6, "aesthetic:v2": 5.1
    }  # fmt: skip


def test_datacomps_columns_are_known():
    assert carried(DATACOMP) == {"clip:ViT-B-32/openai": 0.25, "clip:ViT-L-14/openai": 0.19}


def test_the_second_nsfw_score_counts_where_the_first_is_missing():
    assert carried({**COYO, "nsfw_score_opennsfw2": None})["nsfw"] == 0.9
    assert sources({**COYO, "nsfw_score_opennsfw2": None})["nsfw"] == "nsfw_score_gantman"


@pytest.mark.parametrize(
    "value",
    [
        None,
        float("nan"),
        float("inf"),
        -1.5,
        31.0,
        10**400,
        "0.3",
        True,
        [0.3],
        {},
        np.float32("nan"),
        np.True_,
    ],
    ids=lambda value: repr(value)[:16],
)
@pytest.mark.parametrize("name", ["similarity", "punsafe", "pwatermark"])
def test_what_is_no_sound_score_is_absent(name, value):
    assert carried({name: value}) == {}


def test_numpys_numbers_count():
    assert carried({"similarity": np.float32(0.5), "punsafe": np.int64(1)}) == {
        "clip:ViT-B-32/openai": 0.5,
        "nsfw": 1.0,
    }


@pytest.mark.parametrize(
    ("language", "known"), [("en", True), (None, True), ("fr", False), ("nolang", False)]
)
def test_laions_similarity_is_vit_b_32s_for_english_captions_only(language, known):
    assert bool(carried({"similarity": 0.3, "LANGUAGE": language})) is known


@pytest.mark.parametrize(("name", "column"), COLUMNS.items())
def test_every_column_says_where_it_came_from(name, column):
    told = info(column, sources({name: 0.5}).values())
    assert told["source"] == f"column {name}"
    assert column == (f"{told['kind']}:{told['model']}" if told["model"] else told["kind"])
    assert told["weights"] == ""


def test_a_column_of_several_sources_names_them_all():
    names = {"nsfw_score_opennsfw2", "nsfw_score_gantman"}
    assert info("nsfw", names)["source"] == "column nsfw_score_gantman or nsfw_score_opennsfw2"
    assert info("nsfw") == {"kind": "nsfw", "model": "", "weights": "", "source": "the data"}


def test_the_datas_own_uid_counts():
    assert uid({"uid": "AB" * 16, "url": "u"}, b"image", "text") == "ab" * 16
    assert uid({"uid": "01234567-89ab-cdef-0123-456789abcdef"}, b"", "") == "0123456789abcdef" * 2
    assert uid({"uid": "0" * 32, "t2igan": {"uid": "1" * 32}}, b"image", "text") == "1" * 32


@pytest.mark.parametrize(
    "fields", [{}, {"uid": 7}, {"uid": "x"}, {"url": ""}, {"url": None}, {"t2igan": "odd"}], ids=str
)
def test_without_uid_and_url_it_is_of_image_and_caption(fields):
    assert uid(fields, b"image", "text") == hashlib.sha256(b"imagetext").hexdigest()[:32]


@pytest.mark.parametrize("name", ["url", "URL"])
def test_without_uid_it_is_of_url_and_caption(name):
    expected = hashlib.sha256("https://a.example/é.jpgtext".encode()).hexdigest()[:32]
    assert uid({name: "https://a.example/é.jpg"}, b"image", "text") == expected


def test_lone_surrogates_have_a_uid():
    assert len(uid({"url": "\ud800"}, b"", "\udfff")) == 32
