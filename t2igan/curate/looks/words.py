"""A selection as rows of text, for a terminal and for a page. Computes nothing that the selection does not hold."""

from __future__ import annotations

from t2igan.curate.margins import Margin
from t2igan.curate.rules import ORDER
from t2igan.curate.selection import Selection
from t2igan.report import percent

LACKING = {name for name in ORDER if name.startswith("no ")}
WATERFALL_HEADER = ("reason", "dropped", "share of all", "left")
MARGIN_HEADER = ("rule", "threshold", "-10 %", "keeps", "+10 %", "keeps")


def waterfall_rows(selection: Selection) -> list[list[str]]:
    """Reason, how many it drops, their share of all, and how many are left; first what was seen, last what is kept."""
    seen = left = selection.seen
    rows = [["seen", "", "", f"{seen:,}"]]
    for reason, count in shown_counts(selection).items():
        left -= count
        rows.append([reason, f"{count:,}", _share(count, seen), f"{left:,}"])
    return [*rows, ["kept", "", _share(left, seen), f"{left:,}"]]


def shown_counts(selection: Selection) -> dict[str, int]:
    """Counts by reason, without the scores that no sample lacks."""
    return {reason: n for reason, n in selection.counts().items() if n or reason not in LACKING}


def margin_rows(selection: Selection) -> list[list[str]]:
    """Rule, threshold, and for a tenth lower and higher: the threshold and the share of all that it would keep."""
    now = selection.kept / max(1, selection.seen)
    return [
        [margin.rule, limit_text(margin), *_moved(margin, 0, now), *_moved(margin, 1, now)]
        for margin in selection.margins
    ]


def limit_text(margin: Margin) -> str:
    """Such as "least 0.28"."""
    return f"{margin.limit:g}" if margin.side == "share" else f"{margin.side} {margin.limit:g}"


def _moved(margin: Margin, side: int, now: float) -> list[str]:
    kept = margin.kept[side]
    return [f"{margin.moved[side]:g}", f"{percent(kept)} ({100 * (kept - now):+.1f})"]


def _share(count: int, total: int) -> str:
    return percent(count / total if total else None)
