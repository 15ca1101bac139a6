"""Captions as the web has them -> captions to train on, and facts of each. Not which captions are kept: that is a rule.

Every step takes time linear in the text, as captions are hostile: 64 KiB of "<", of "&#999..." or of combining marks.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from dataclasses import dataclass

import ftfy

MAX_CHARS = 2**16  # what follows is not looked at
MAX_WORDS = 256
MAX_MARKS = (
    30  # combining marks in a row, as in Unicode's stream-safe text: sorting them takes quadratic time
)
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
URL = re.compile(r"(?:\b(?:https?|ftp)://|\bwww\.)\S+", re.IGNORECASE)
# Control characters without white space; invisible marks that hide or reorder text, but for the joiners U+200C and
# U+200D that scripts and emoji need; lone surrogates, private use, U+FFFD where a character was lost, and tags.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\ue000-\uf8ff\ufff0-\uffff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
FILE = re.compile(
    r".+\.(?:jpe?g?|png|gif|webp|bmp|tiff?|svg|hei[cf]|avif|eps|psd|raw|cr2|nef|arw|dng|ico|pdf|mp4|mov|avi)",
    re.IGNORECASE,
)
CAMERA = re.compile(r"_?(?:IMG|MG|DSC|DSCN|DSCF|PICT|CIMG|MVI|PXL|GOPR)[_-]?[0-9]{3,}[\w-]*", re.IGNORECASE)
AROUND = ".,;:!?\"'()[]{}<>|*/-\u2013\u2014\u201c\u201d\u2018\u2019"  # dashes and curly quotes too
# Only its repair of text that was decoded with the wrong encoding, of ligatures and of wide letters: the rest is below.
REPAIR = ftfy.TextFixerConfig(unescape_html=False, normalization=None, explain=False)


@dataclass(frozen=True)
class CaptionFacts:
    """What rules ask of a cleaned caption."""

    words: int
    """Parts between white space; a Chinese or Japanese sentence is one."""
    chars: int
    """Characters, white space included."""
    letters: int
    """Characters that are letters in some script."""
    repetition: float
    """Share of words that repeat an earlier one, but for case and punctuation around them; 0 .. 1."""
    hash: int
    """First 8 bytes of the SHA-256 of the casefolded caption, unsigned."""


def clean(text: str) -> str:
    """One line of readable text; cleaning twice changes nothing more in any ordinary caption.

    HTML entities and tags, control characters, URLs, e-mail addresses and file names go; wrongly decoded text is
    repaired, the result is in Unicode's form NFC, and white space is folded. CC12M's `<PERSON>` becomes "person".

    Returns:
        At most 256 words; empty if nothing readable is left.
    """
    text = _unescape(" ".join(text[:MAX_CHARS].split())).replace("<PERSON>", "person")
    text = INVISIBLE.sub("", TAG.sub(" ", text)) if text.isascii() else _repair(text)
    words = [word for word in URL.sub(" ", text).split() if not _is_address(word) and not _is_file(word)]
    return " ".join(words[:MAX_WORDS])


def facts(cleaned: str) -> CaptionFacts:
    """Measure a caption that `clean` gave."""
    folded = cleaned.casefold()
    bare = [word for part in folded.split() if (word := part.strip(AROUND))]
    return CaptionFacts(
        words=len(cleaned.split()),
        chars=len(cleaned),
        letters=sum(map(str.isalpha, cleaned)),
        repetition=1 - len(set(bare)) / len(bare) if bare else 0.0,
        hash=int.from_bytes(hashlib.sha256(folded.encode()).digest()[:8], "big"),
    )


def _unescape(text: str) -> str:
    """Resolve entities, also those that were escaped twice; html.unescape alone fails on a number of 4,301 digits."""
    for _ in range(2):
        if "&" not in text:
            break
        text = ENTITY.sub(lambda match: html.unescape(match[0]), text)
    return text


def _repair(text: str) -> str:
    """What text that is not plain ASCII needs; the encoding is mended before characters that carry it go."""
    text = INVISIBLE.sub("", TAG.sub(" ", ftfy.fix_text(text, REPAIR)))
    return unicodedata.normalize("NFC", _thin_marks(text))


def _thin_marks(text: str) -> str:
    """Cut runs of combining marks to 30."""
    kept, run = [], 0
    for char in text:
        run = run + 1 if unicodedata.combining(char) else 0
        if run <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)


def _is_address(word: str) -> bool:
    """Whether a word is an e-mail address."""
    user, _, domain = word.strip(AROUND).partition("@")
    return bool(user) and "." in domain and "@" not in domain


def _is_file(word: str) -> bool:
    """Whether a word names a media file, or is the number that a camera gave a picture."""
    word = word.strip(AROUND)
    return bool(FILE.fullmatch(word) or CAMERA.fullmatch(word))
