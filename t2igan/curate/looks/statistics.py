"""How the measures of a shard set are spread, kept and dropped apart. Counts by reason are the selection's own.

Of a large set only some shards are looked at, evenly drawn by a fixed seed, and the numbers say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from t2igan.curate.pool import Load
from t2igan.curate.rules import KEPT, LABELS, ORDER, measure
from t2igan.curate.selection import Selection
from t2igan.curate.spill import Spill
from t2igan.curate.table import SCORES, ScoreTable
from t2igan.data.draws import permutation
from t2igan.report import percent

MAX_ROWS = 1_000_000  # a share of them is known to 0.1 percent points
SHAPES = ("side", "width", "height", "aspect")
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
QUANTILE_NAMES = ("least", "5 %", "25 %", "median", "75 %", "95 %", "most")
HASHES = {
    "image_hash": "equal image bytes",
    "phash": "equal perceptual hash",
    "caption_hash": "equal caption",
}
COUNTED = ("language", "format")


@dataclass
class Facts:
    """What was looked at: usable samples only, those with a problem are left out."""

    codes: np.ndarray  # uint16 [rows], of the selection
    measures: dict[str, np.ndarray]  # name -> float32 [rows]; NaN = unknown
    counted: dict[str, Counter[tuple[str, bool]]] = field(
        default_factory=dict
    )  # column -> (value, is kept) -> rows
    shards: int = 0  # that were looked at

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def is_kept(self) -> np.ndarray:
        """Which of the rows are kept; bool [rows]."""
        return self.codes == 0


def gather(load: Load, selection: Selection, *, max_rows: int = MAX_ROWS) -> Facts:
    """Read the measures of all shards, or of as many as hold `max_rows` samples."""
    shards = looked_at(selection, max_rows)
    parts = [_of_shard(load(shard, None), selection, shard) for shard in shards]
    names = list(dict.fromkeys(name for part in parts for name in part.measures))
    measures = {name: np.concatenate([_or_unknown(part, name) for part in parts]) for name in names}
    counted = {c: sum((part.counted[c] for part in parts if c in part.counted), Counter()) for c in COUNTED}
    codes = np.concatenate([part.codes for part in parts])
    return Facts(codes, measures, {c: n for c, n in counted.items() if n}, len(shards))


def looked_at(selection: Selection, max_rows: int) -> list[str]:
    """Shards that hold about `max_rows` samples together, at least one."""
    names, found, rows = selection.shards, [], 0
    for place in permutation(len(names), "looks"):
        found.append(names[place])
        rows += len(selection.codes[names[place]])
        if rows >= max_rows:
            break
    return sorted(found)


def _of_shard(table: ScoreTable, selection: Selection, shard: str) -> Facts:
    codes = selection.codes[shard]
    usable = np.flatnonzero(is_usable(selection)[codes])
    scores = [name for name in table.columns.column_names if name.startswith(SCORES)]
    wanted = (*SHAPES, "bytes", "words", "chars", "repetition", *scores)
    measures = {name: measure(table, name).astype(np.float32)[usable] for name in wanted}
    kept = codes[usable] == 0
    counted = {
        column: Counter(zip(table.columns[column].take(usable).to_pylist(), kept.tolist(), strict=True))
        for column in COUNTED
        if column in table.columns.column_names
    }
    return Facts(codes[usable], measures, counted)


def is_usable(selection: Selection) -> np.ndarray:
    """Which codes of a selection are no problem of the sample itself; bool [codes]."""
    return np.array([name == KEPT or name in ORDER for name in selection.names])


def _or_unknown(part: Facts, name: str) -> np.ndarray:
    return part.measures.get(name, np.full(len(part), np.nan, np.float32))


def quantile_rows(facts: Facts) -> list[list[Any]]:
    """Measure, how many samples lack it, the quantiles of all usable samples, and the median of the kept ones."""
    rows = []
    for name, values in facts.measures.items():
        known = np.isfinite(values)
        if not known.any():
            continue
        kept = values[known & facts.is_kept]
        spread = [float(q) for q in np.quantile(values[known], QUANTILES)]
        rows.append(
            [label(name), int((~known).sum()), *spread, float(np.median(kept)) if len(kept) else None]
        )
    return rows


def quantile_texts(facts: Facts) -> list[list[str]]:
    """The same for people."""
    return [[name, f"{unknown:,}", *map(_text, numbers)] for name, unknown, *numbers in quantile_rows(facts)]


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def label(name: str) -> str:
    """What a measure is called."""
    return LABELS.get(
        name, {"width": "width, px", "height": "height, px"}.get(name, name.replace(":", " ", 1))
    )


def counted_rows(facts: Facts, column: str, limit: int = 12) -> list[list[Any]]:
    """Value, samples, their share as text, and how many of them are kept; the most frequent first."""
    found = facts.counted.get(column, Counter())
    totals: Counter[str] = Counter()
    for (value, _), count in found.items():
        totals["not known" if value is None else value or "not known"] += count
    kept = Counter(
        {"not known" if v is None else v or "not known": n for (v, is_kept), n in found.items() if is_kept}
    )
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [[value, count, percent(count / len(facts)), kept[value]] for value, count in ordered]


def as_numbers(facts: Facts, repeats: Mapping[str, int]) -> dict[str, Any]:
    """Everything for programs."""
    names = ("unknown", *QUANTILE_NAMES, "median of kept")
    return {
        "looked_at": len(facts),
        "shards_looked_at": facts.shards,
        "measures": {row[0]: dict(zip(names, row[1:], strict=True)) for row in quantile_rows(facts)},
        **{column: {row[0]: row[1] for row in counted_rows(facts, column)} for column in facts.counted},
        "repeats": dict(repeats),
    }


def repeat_counts(load: Load, selection: Selection) -> dict[str, int]:
    """Kind of repetition -> usable samples in all shards that repeat an earlier one; only for hashes that are there."""
    first = load(selection.shards[0], None).columns.column_names
    return {what: _repeats(load, selection, column) for column, what in HASHES.items() if column in first}


def _repeats(load: Load, selection: Selection, column: str) -> int:
    total = distinct = 0
    with Spill(np.dtype("u8"), selection.seen) as spill:
        for some in _hashes(load, selection, column):
            spill.add(some * np.uint64(0x9E3779B97F4A7C15), some)
            total += len(some)
        for part in spill.parts():
            distinct += len(np.unique(part))
    return total - distinct


def _hashes(load: Load, selection: Selection, column: str) -> Iterator[np.ndarray]:
    for shard, codes in selection.codes.items():
        table = load(shard, [column])
        if column in table.columns.column_names:
            found = table.columns[column]
            yield found.fill_null(0).to_numpy()[is_usable(selection)[codes] & found.is_valid().to_numpy()]
