from __future__ import annotations

import hashlib
import time
import unicodedata

import pytest

from t2igan.curate.measures.captions import MAX_WORDS, clean, facts

CLEANED = {
    "a  red\n circle\t": "a red circle",
    "Salt &amp; pepper": "Salt & pepper",
    "Salt &amp;amp; pepper": "Salt & pepper",
    "R&B and AT&T": "R&B and AT&T",
    "&#8220;quoted&#x201d;": '"quoted"',
    "<b>Bold</b> dog<br/>at night": "Bold dog at night",
    "&lt;i&gt;slanted&lt;/i&gt; cat": "slanted cat",
    "3 < 5 and 7 > 2": "3 < 5 and 7 > 2",
    "<PERSON> at the sea": "person at the sea",
    "see https://a.example/x?y=1#z. for more": "see for more",
    "photo by WWW.Example.com today": "photo by today",
    "mail me@example.org, please": "mail please",
    "follow @someone at 5": "follow @someone at 5",
    "IMG_0123.jpg": "",
    "IMG_0123": "",
    "a beach (DSC00471.JPG) at dusk": "a beach at dusk",
    "sunset-over-lake.jpeg of a lake": "of a lake",
    "version 2.0 of it, e.g. this one.": "version 2.0 of it, e.g. this one.",
    "imagine 3 dogs": "imagine 3 dogs",
    "cafÃ© with a view": "café with a view",
    "cafe\u0301": "café",
    "the lakeâ€™s shore": "the lake's shore",
    "bell\x07 and \x00null": "bell and null",
    "\u202eevil\u202c and\u200b zero\ufeff width": "evil and zero width",
    "lone \ud83d surrogate": "lone surrogate",
    "一只红色的猫": "一只红色的猫",
    "family 👨\u200d👩\u200d👧 here": "family 👨\u200d👩\u200d👧 here",
    "\u2003\u00a0": "",
    "": "",
}
HOSTILE = {
    "brackets": "<" * 2**16,
    "tags that never close": "<a" * 2**15,
    "comments that never close": "<!--" * 2**14,
    "ampersands": "&" * 2**16,
    "a number of 65,533 digits": "&#" + "9" * 65533 + ";",
    "nested escapes": "&amp;" * 13000,
    "one word": "a" * 2**16,
    "almost addresses": "a@" * 2**15,
    "dots": "a@" + "." * 2**16,
    "almost URLs": "http:/" * 10000,
    "URLs in one word": "http://" * 9000,
    "marks that must be sorted": "e" + "\u0301\u0323" * 2**15,
    "the same marks as entities": "e" + "&#x301;&#x323;" * 4600,
    "the same marks in a wrong encoding": "e" + "Ì\x81Ì£" * 2**14,
    "lines": "é\n" * 2**15,
    "wrong encoding": "Ãƒ" * 2**15,
    "ten million letters": "é " * 5_000_000,
    "camera names": "IMG_" + "0" * 2**16,
}


@pytest.mark.parametrize(("raw", "expected"), CLEANED.items())
def test_captions_are_cleaned(raw, expected):
    assert clean(raw) == expected


@pytest.mark.parametrize("raw", CLEANED)
def test_cleaning_twice_changes_nothing_more(raw):
    assert clean(clean(raw)) == clean(raw)


def test_a_caption_is_cut_at_256_words():
    assert clean("word " * 300).split() == ["word"] * MAX_WORDS


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_hostile_captions_take_linear_time(raw):
    start = time.process_time()
    cleaned = clean(raw)
    found = facts(cleaned)
    assert time.process_time() - start < 3  # quadratic steps take minutes: 2**32 of them
    assert found.words <= MAX_WORDS
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode()  # no lone surrogates are left


def test_facts_count_words_characters_and_letters():
    found = facts("Two red dogs, 2020!")
    assert (found.words, found.chars, found.letters) == (4, 19, 10)


@pytest.mark.parametrize(
    ("text", "share"), [("", 0), ("- | -", 0), ("a b c", 0), ("Dog, dog DOG.", 2 / 3), ("a b a b", 0.5)]
)
def test_repetition_is_the_share_of_words_seen_before(text, share):
    assert facts(text).repetition == pytest.approx(share)


def test_the_hash_ignores_case_and_nothing_else():
    digest = hashlib.sha256(b"a red circle").hexdigest()
    assert facts("A Red CIRCLE").hash == int(digest[:16], 16)
    assert facts("a red circle.").hash != facts("a red circle").hash


def test_captions_without_letters_have_none():
    assert facts("12 - 34").letters == 0
    assert facts("赤い").letters == 2
