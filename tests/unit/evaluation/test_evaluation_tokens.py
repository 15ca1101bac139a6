"""Exchanged tokens: what each exchange takes over, and that no more and no fewer pictures follow than can."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import tiny_snapshot
from tiny_gigagan import GUIDED

from t2igan.errors import UsageError
from t2igan.evaluation.prompts.tokens import EXCHANGES, exchange_tokens


def test_an_exchange_takes_the_tokens_that_it_names():
    mask = torch.tensor([[True, True, True, True, False]])
    differs = torch.tensor([[False, True, False, False, False]])
    taken = {name: chosen(differs, mask)[0].int().tolist() for name, chosen in EXCHANGES.items()}
    assert taken == {
        "none": [0, 0, 0, 0, 0],
        "the words' own": [0, 1, 0, 0, 0],
        "all but the end token": [1, 1, 1, 0, 0],
        "the end token alone": [0, 0, 0, 1, 0],
        "all": [1, 1, 1, 1, 0],
    }


def test_with_all_tokens_exchanged_the_picture_is_the_twins_own(tmp_path: Path):
    found = exchange_tokens(str(tiny_snapshot(tmp_path, *GUIDED)), pairs=6)
    assert set(found["follows"]) <= {
        "colour binding",
        "relation",
        "count",
        "colour",
        "shape",
        "size",
        "position",
        "background",
    }
    for category, exchanges in found["follows"].items():
        assert list(exchanges) == list(EXCHANGES)
        for shares in exchanges.values():
            assert shares["own"]["value"] + shares["twin"]["value"] <= 1  # one picture cannot follow both
            assert shares["own"]["n"] == found["pairs"][category]


def test_a_model_without_tokens_is_refused():
    with pytest.raises(UsageError, match="reads no text tokens"):
        exchange_tokens("embedded:shapes")


def test_in_the_embedded_gigagan_words_carry_colours_and_the_end_token_places():
    follows = exchange_tokens(None, pairs=16)["follows"]
    words, end = "all but the end token", "the end token alone"
    for category, exchange in (
        ("colour binding", words),
        ("colour", words),
        ("position", end),
        ("background", end),
    ):
        assert follows[category]["none"]["own"]["value"] > 0.8
        assert follows[category][exchange]["twin"]["value"] > 0.8
        assert follows[category][exchange]["own"]["value"] < 0.1
