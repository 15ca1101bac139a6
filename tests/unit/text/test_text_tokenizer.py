"""open_clip's tokenizer, cut to its first merges."""

from __future__ import annotations

import open_clip
import pytest
import torch

from t2igan.text.tokenizer import NUM_BASE, CutTokenizer

ALL_MERGES = 48894
CAPTIONS = [
    "a small red circle on the left on a white background",
    "Two dogs, one cat's hat & 3 fish -- isn't it?",
    "",
    "Überraschung: naïve café №5",
    "赤い丸と青い四角 🟥🟦",
    "  spaces\tand\nlines   ",
    "word " * 40,
]
HOSTILE = [
    "\x00\x01",
    "\u202eabc",
    "a\u0301" * 9,
    "🏳️‍🌈" * 5,
    "<start_of_text>",
    "\ud83d lone",
    "\uff05\uff06",
    "&amp;lt;",
    "x" * 3000,
]


@pytest.fixture(scope="module")
def full() -> CutTokenizer:
    return CutTokenizer(num_merges=ALL_MERGES, context_length=77)


@pytest.fixture(scope="module")
def small() -> CutTokenizer:
    return CutTokenizer(num_merges=100, context_length=16)


def test_with_all_merges_ids_are_open_clips_own(full: CutTokenizer):
    assert full.vocab_size == 49408
    assert torch.equal(full(CAPTIONS), open_clip.get_tokenizer("ViT-B-32")(CAPTIONS))


@pytest.mark.parametrize("num_merges", [0, 1, 100, 3000])
def test_the_vocabulary_is_the_bytes_the_merges_and_two_marks(num_merges: int):
    assert CutTokenizer(num_merges=num_merges, context_length=8).vocab_size == num_merges + NUM_BASE


def test_kept_merges_keep_their_ids_and_lost_ones_fall_apart_into_kept(
    small: CutTokenizer, full: CutTokenizer
):
    longer = [len(small.ids(caption)) >= len(full.ids(caption)) for caption in CAPTIONS]
    assert all(longer)
    assert small.ids("the") == full.ids("the")  # among the first merges


@pytest.mark.parametrize("caption", [*CAPTIONS, *HOSTILE], ids=repr)
def test_any_text_encodes_within_the_vocabulary(small: CutTokenizer, caption: str):
    (row,) = small([caption])
    start, end = small.vocab_size - 2, small.vocab_size - 1
    ids = row.tolist()
    assert ids[0] == start
    assert end in ids
    assert 0 <= min(ids) <= max(ids) < small.vocab_size
    assert set(ids[ids.index(end) + 1 :]) <= {0} or "_of_text" in caption


def test_every_row_ends_with_the_largest_id_where_the_tower_pools(small: CutTokenizer):
    rows = small(CAPTIONS)
    assert rows.shape == (len(CAPTIONS), 16)
    assert rows.max(dim=1).values.tolist() == [small.vocab_size - 1] * len(CAPTIONS)


def test_the_cut_is_the_end_that_does_not_fit(full: CutTokenizer):
    fits = " ".join(["red"] * 75)
    assert full.cut(fits) == ""
    assert full.cut(f"{fits} blue green") == "blue green"
    assert torch.equal(full([fits]), full([f"{fits} blue green"]))
