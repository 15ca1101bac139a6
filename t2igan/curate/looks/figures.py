"""The sections of a page that need no picture: sizes, captions and scores as figures and tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from t2igan.curate.looks.histograms import BY_OTHERS, BY_RULE, KEPT, histogram, scatter
from t2igan.curate.looks.statistics import QUANTILE_NAMES, Facts, counted_rows, label, quantile_texts
from t2igan.curate.margins import WHOLE, edges
from t2igan.curate.rules import bounds
from t2igan.curate.selection import Selection
from t2igan.report import Report

CAPTIONS = ("words", "chars", "repetition")
FILES = ("side", "aspect", "bytes")


def add_figures(report: Report, facts: Facts, selection: Selection, repeats: Mapping[str, int]) -> None:
    """Add the sections.

    Args:
        report: grows at its end.
        facts: what was looked at.
        selection: says what is kept, and where the cuts are.
        repeats: kind of repetition -> samples; may be empty.
    """
    if not len(facts):
        report.text("There is no usable sample to look at.")
        return
    scores = [name for name in facts.measures if name not in (*CAPTIONS, *FILES, "width", "height")]
    report.section("Sizes")
    report.text(
        f"Of {len(facts):,} usable samples in {facts.shards:,} shards. Bars at the ends also count what lies beyond."
    )
    report.drawing(_sizes(facts, selection))
    for title, names in (("", FILES), ("Captions", CAPTIONS), ("Scores", scores)):
        if title and names:
            report.section(title)
        for name in names:
            report.drawing(_histogram(name, facts, selection))
    _add_tables(report, facts, repeats)


def _add_tables(report: Report, facts: Facts, repeats: Mapping[str, int]) -> None:
    report.section("Numbers")
    header = ["measure", "unknown", *QUANTILE_NAMES, "median of kept"]
    report.table(quantile_texts(facts), header)
    for column in facts.counted:
        report.table(counted_rows(facts, column), [column, "samples", "share", "kept"])
    if repeats:
        rows = [[what, f"{count:,}"] for what, count in repeats.items()]
        report.table(rows, ["repeats an earlier sample, in all shards", "samples"])


def _histogram(name: str, facts: Facts, selection: Selection) -> str:
    """Kept, dropped by rules on this measure, dropped by others; the thresholds as lines."""
    own = [
        bound
        for bound in bounds(selection.rules, selection.columns)
        if bound.measure == name and bound.is_limited
    ]
    reasons = {bound.reason for bound in own}
    is_whole = name in WHOLE and name != "bytes"
    beside = {"least": -0.5, "most": 0.5} if is_whole else {"least": 0.0, "most": 0.0}  # between two bars
    cuts = [
        (edge.limit + beside[edge.side], f"at {edge.side} {edge.limit:,g}")
        for bound in own
        for edge in edges(bound)
    ]
    if selection.cut is not None and selection.columns["clip"] == name:
        reasons.add("clip_top")
        lowest = selection.cut.score
        cuts += [] if lowest is None else [(lowest, f"top share from {lowest:.4g}")]
    by_rule = np.isin(facts.codes, [selection.names.index(reason) for reason in reasons])
    values, others = facts.measures[name], ~by_rule & ~facts.is_kept
    layers = [(KEPT, "kept", values[facts.is_kept])]
    if reasons:
        layers.append((BY_RULE, f"dropped by {' and '.join(sorted(reasons))}", values[by_rule]))
    layers.append((BY_OTHERS, "dropped by other rules" if reasons else "dropped", values[others]))
    return histogram(_title(name), layers, x_label=label(name), cuts=cuts, is_whole=is_whole)


def _title(name: str) -> str:
    return label(name).partition(",")[0].capitalize() if name in (*CAPTIONS, *FILES) else label(name)


def _sizes(facts: Facts, selection: Selection) -> str:
    points = np.stack([facts.measures["width"], facts.measures["height"]], axis=1)
    small = np.isin(
        facts.codes, [i for i, name in enumerate(selection.names) if name in ("min_resolution", "max_aspect")]
    )
    layers = [
        (BY_OTHERS, "dropped", points[~facts.is_kept & ~small]),
        (BY_RULE, "dropped by min_resolution or max_aspect", points[small]),
        (KEPT, "kept", points[facts.is_kept]),
    ]
    line = selection.rules.min_resolution
    return scatter("Width and height", layers, labels=("width, px", "height, px"), line=line)
