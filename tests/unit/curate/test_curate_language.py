from __future__ import annotations

import sys

import pytest

from t2igan.curate.measures import language
from t2igan.curate.measures.language import detect
from t2igan.errors import UsageError

KNOWN = {
    "en": [
        "a red car parked near the beach",
        "Two dogs playing in the snow near a fence",
        "Funny T-Shirt gift for dad birthday",
        "Logo design for coffee shop minimal",
        "WEDDING DRESS LACE LONG SLEEVE 2019",
    ],
    "de": ["ein roter Ball auf der Wiese liegt"],
    "fr": ["un chat noir sur le toit"],
    "es": ["dos perros juegan en la nieve"],
    "it": ["una bella ragazza con il cane"],
    "pl": ["czerwony samochód stoi na ulicy miasta"],
    "vi": ["một con mèo đen trên mái nhà"],
    "ru": ["женщина в красном платье на пляже", "красный дом"],
    "zh": ["一只红色的猫坐在窗台上", "红色汽车"],
    "ja": ["猫の写真"],
    "ko": ["고양이"],
    "ar": ["قطة سوداء"],
    "th": ["รถสีแดงจอดอยู่ริมถนน"],
}
UNKNOWN = [
    "",
    "sunset",
    "Nike Air Max 97",
    "a red car",
    "mèo đen",
    "Canon EOS 5D Mark IV DSLR Camera",
    "1 2 3 4 5 6",
    "😀 😀 😀 😀 😀",
]


@pytest.mark.parametrize(("code", "caption"), [(code, each) for code, many in KNOWN.items() for each in many])
def test_languages_are_told(code, caption):
    assert detect([caption]) == [code]


@pytest.mark.parametrize("caption", UNKNOWN)
def test_short_latin_captions_and_names_stay_unknown(caption):
    assert detect([caption]) == ["unknown"]


def test_a_batch_is_in_order():
    assert detect(["sunset", *KNOWN["de"], *KNOWN["ko"]]) == ["unknown", "de", "ko"]
    assert detect([]) == []


def test_long_captions_are_told():
    long = (
        "An old man with a grey beard sits on a wooden bench in front of his house and mends a fishing net, while two "
        "children watch him from the stairs; behind them the harbour lies in the evening sun, and a few boats that came "
        "back late are being unloaded by women who carry baskets full of silver fish up the narrow street to the market."
    )
    assert detect([long, "x" * 100_000]) == ["en", "unknown"]


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    language._identifier.cache_clear()
    with pytest.raises(UsageError, match=r"pip install 't2igan\[lang\]'"):
        detect(["a red car parked near the beach"])
