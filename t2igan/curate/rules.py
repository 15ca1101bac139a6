"""Which rule, if any, drops each row of a score table. Only rules that look at one row: select.py has the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from t2igan.curate.columns import score_columns, wanted_columns
from t2igan.curate.config import Rules
from t2igan.curate.presets import NO_LIMIT
from t2igan.curate.table import ScoreTable

KEPT = ""
UNKNOWN_LANGUAGE = "unknown"  # of captions too short to tell
GLOBAL = ("clip_top", "duplicate image", "near duplicate", "semantic duplicate", "duplicate caption")
SCORED = ("nsfw", "watermark", "clip", "aesthetic")
ORDER = (
    *("min_resolution", "max_aspect", "min_bytes", "caption_words", "caption_chars", "letters", "repetition"),
    *("no language", "language"),
    *(name for kind in SCORED for name in (f"no {kind} score", kind)),
    *GLOBAL,
)
"""Every reason that a rule gives, in the order in which rules are applied: the first one that drops a row names it."""
LABELS = {
    "side": "shorter side, px",
    "aspect": "longer / shorter side",
    "bytes": "size of the image file, bytes",
    "words": "words in the caption",
    "chars": "characters in the caption",
    "letters": "letters in the caption",
    "repetition": "share of repeated words",
    "nsfw": "probability of unsafe content",
    "watermark": "probability of a watermark",
}


@dataclass(frozen=True)
class Bound:
    """A rule that keeps the rows whose measure lies in [low, high]."""

    reason: str
    measure: str  # a key of LABELS, or a column of scores
    low: float = -math.inf
    high: float = math.inf

    @property
    def is_limited(self) -> bool:
        """Whether any value can fail; a score that only ranks samples must merely be known."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    def fails(self, values: np.ndarray) -> np.ndarray:
        """Which values lie outside, in the values' own precision; those that are unknown (NaN) do not."""
        # a score of 0.3 is stored as the nearest float32, so the limit is rounded alike
        return (values < values.dtype.type(self.low)) | (values > values.dtype.type(self.high))


def reasons(table: ScoreTable, rules: Rules) -> np.ndarray:
    """Why each row is dropped; object [rows] of str: "" = kept, its problem, or the first rule that drops it.

    Raises:
        DataError: if the scores are of another model than the rules are meant for, or are missing.
    """
    return _name(table, checks(table, rules, score_columns(table, rules)))


def cheap(table: ScoreTable, rules: Rules) -> np.ndarray:
    """The same by what is known already: a score or language that is not in the table, or null, drops nothing."""
    present = {kind: c for kind, c in wanted_columns(rules).items() if c in table.columns.column_names}
    known = rules.model_copy(update={"missing": "keep"})
    return _name(table, checks(table, known, present))


def _name(table: ScoreTable, found: Iterator[tuple[str, np.ndarray]]) -> np.ndarray:
    named = problems(table)
    open_ = named == KEPT
    for reason, fails in found:
        named[open_ & fails] = reason
        open_ &= ~fails
    return named


def problems(table: ScoreTable) -> np.ndarray:
    """Why rows can never be used; object [rows] of str."""
    return np.asarray(table.columns["problem"].fill_null("").to_pylist(), dtype=object)


def checks(table: ScoreTable, rules: Rules, columns: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """(reason, bool [rows] that it drops) of every active rule, in order; a row may fail several.

    Args:
        table: at least with the columns that `needed_columns` names.
        rules: what is kept.
        columns: kind of score -> its column, as `score_columns` finds them.
    """
    parts = [bound for bound in bounds(rules, columns) if bound.reason not in SCORED]
    for bound in parts:
        yield bound.reason, bound.fails(measure(table, bound.measure))
    if "language" in columns:
        yield from _language(table, rules)
    for bound in bounds(rules, columns)[len(parts) :]:
        values = measure(table, bound.measure)
        if rules.missing == "drop":
            yield f"no {bound.reason} score", np.isnan(values)
        if bound.is_limited:
            yield bound.reason, bound.fails(values)


def bounds(rules: Rules, columns: Mapping[str, str]) -> list[Bound]:
    """The active rules on numbers, in the order in which they are applied."""
    facts = (
        _least("min_resolution", "side", rules.min_resolution),
        _most("max_aspect", "aspect", rules.max_aspect),
        _least("min_bytes", "bytes", rules.min_bytes),
        _between("caption_words", "words", rules.caption_words),
        _between("caption_chars", "chars", rules.caption_chars),
        _least("letters", "letters", 1 if rules.letters else None),
        _most("repetition", "repetition", rules.max_repetition),
    )
    scores = (
        _most("nsfw", columns.get("nsfw"), rules.max_nsfw),
        _most("watermark", columns.get("watermark"), rules.max_watermark),
        _least("clip", columns.get("clip"), -math.inf if rules.min_clip is None else rules.min_clip),
        _least("aesthetic", columns.get("aesthetic"), rules.min_aesthetic),
    )
    return [bound for bound in (*facts, *scores) if bound is not None]


def active_reasons(rules: Rules, columns: Mapping[str, str]) -> list[str]:
    """Those of ORDER that may occur."""
    found = {bound.reason for bound in bounds(rules, columns) if bound.is_limited}
    if rules.missing == "drop":
        found |= {"no language" if kind == "language" else f"no {kind} score" for kind in columns}
    switches = (
        bool(rules.languages),
        rules.clip_top is not None,
        *(kind in rules.dedup for kind in ("exact", "phash", "embedding", "caption")),
    )
    found |= {name for name, is_on in zip(("language", *GLOBAL), switches, strict=True) if is_on}
    return [name for name in ORDER if name in found]


def needed_columns(rules: Rules, columns: Mapping[str, str]) -> list[str]:
    """The columns that `checks` reads, in a fixed order."""
    measures = {bound.measure for bound in bounds(rules, columns)}
    sides = {"side", "aspect"}
    found = {"problem", *columns.values(), *measures - sides}
    return sorted(found | ({"width", "height"} if measures & sides else set()))


def _least(reason: str, name: str | None, low: float | None) -> Bound | None:
    return None if low is None or name is None else Bound(reason, name, low=low)


def _most(reason: str, name: str | None, high: float | None) -> Bound | None:
    return None if high is None or name is None else Bound(reason, name, high=high)


def _between(reason: str, name: str, limits: tuple[int, int] | None) -> Bound | None:
    if limits is None:
        return None
    return Bound(reason, name, low=limits[0], high=math.inf if limits[1] >= NO_LIMIT else limits[1])


def measure(table: ScoreTable, name: str) -> np.ndarray:
    """The numbers that a rule looks at; float64 [rows], float32 for scores and repetition; NaN = unknown."""
    if name == "side":
        return np.minimum(_numbers(table, "width"), _numbers(table, "height"))
    if name == "aspect":
        width, height = _numbers(table, "width"), _numbers(table, "height")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.maximum(width, height) / np.minimum(width, height)
    return _numbers(table, name)


def _numbers(table: ScoreTable, column: str) -> np.ndarray:
    if column not in table.columns.column_names:  # none of its samples carries this score
        return np.full(len(table), np.nan, np.float32)
    found = table.columns[column]
    kind = np.float32 if pa.types.is_float32(found.type) else np.float64
    return (
        found.to_numpy(zero_copy_only=False).astype(kind)
        if not found.null_count
        else (np.array(found.cast(pa.float64()).to_numpy(zero_copy_only=False), kind))
    )


def _language(table: ScoreTable, rules: Rules) -> Iterator[tuple[str, np.ndarray]]:
    found = table.columns["language"]
    allowed = [*rules.languages, *[UNKNOWN_LANGUAGE] * rules.keep_unknown_language]
    is_known = found.is_valid().to_numpy()
    if rules.missing == "drop":
        yield "no language", ~is_known
    fits = np.array([language in allowed for language in found.to_pylist()], bool)
    yield "language", is_known & ~fits
