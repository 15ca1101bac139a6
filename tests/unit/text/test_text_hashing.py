"""The weightless text encoder."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from t2igan.text import build_conditioner
from t2igan.text.config import HashingConfig
from t2igan.text.hashing import CONTEXT_WORDS, Hashing

CAPTIONS = [
    "a red circle left of a blue square",
    "a blue square left of a red circle",
    "",
    "ein Haus",
    "赤い丸",
]


@pytest.fixture
def hashing() -> Hashing:
    return Hashing(HashingConfig(dim=64), {})


def embed(hashing: Hashing, captions: list[str]) -> torch.Tensor:
    found = hashing(captions).embed
    assert found is not None
    return found


def test_embeddings_have_unit_length(hashing: Hashing):
    found = embed(hashing, CAPTIONS)
    assert found.shape == (5, 64)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))


def test_word_order_matters(hashing: Hashing):
    first, second = embed(hashing, CAPTIONS[:2])
    assert float(first @ second) < 0.9


def test_case_and_punctuation_do_not(hashing: Hashing):
    first, second = embed(hashing, ["a red circle, left", "A RED circle left!"])
    assert torch.equal(first, second)


def test_a_caption_is_embedded_the_same_in_any_batch_and_process(hashing: Hashing):
    together = embed(hashing, CAPTIONS)
    assert all(
        torch.equal(embed(hashing, [caption])[0], row)
        for caption, row in zip(CAPTIONS, together, strict=True)
    )
    code = (
        "from t2igan.text.hashing import Hashing; from t2igan.text.config import HashingConfig;"
        f"print(Hashing(HashingConfig(dim=64), {{}})([{CAPTIONS[0]!r}]).embed[0].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(together[0].tolist())


def test_the_cut_names_the_words_beyond_the_context(hashing: Hashing):
    words = [f"w{i}" for i in range(CONTEXT_WORDS + 2)]
    assert hashing.cut(" ".join(words[:-2])) == ""
    assert hashing.cut(" ".join(words)) == f"w{CONTEXT_WORDS} w{CONTEXT_WORDS + 1}"
    assert torch.equal(*(embed(hashing, [" ".join(words[:n])])[0] for n in (CONTEXT_WORDS, len(words))))


def test_it_is_built_by_its_recipe_section_and_carries_nothing():
    built = build_conditioner(HashingConfig(dim=32))
    assert (built.dim, built.fingerprint, built.weights()) == (32, "hashing-32", {})
