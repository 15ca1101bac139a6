"""A selection as one static HTML file: what is dropped and why, how scores are spread, examples of every rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from t2igan.curate.looks.contact_sheet import read_thumbnails, sheet_html, side_for
from t2igan.curate.looks.examples import edge_sheets, plain_sheets
from t2igan.curate.looks.figures import add_figures
from t2igan.curate.looks.histograms import waterfall
from t2igan.curate.looks.pairs import pair_sheets
from t2igan.curate.looks.picking import Sheet, some_shards
from t2igan.curate.looks.statistics import gather
from t2igan.curate.looks.words import (
    LACKING,
    MARGIN_HEADER,
    WATERFALL_HEADER,
    margin_rows,
    shown_counts,
    waterfall_rows,
)
from t2igan.curate.presets import find_preset
from t2igan.curate.score_set import ScoreSet
from t2igan.curate.selection import Selection
from t2igan.report import Report, percent

WITHOUT_THRESHOLD = ("letters", "language")
MARGINS = "Exact for the rules that look at one sample. What the top share and duplicates take after them is assumed to stay the same share."


def write_statistics(path: Path, found: ScoreSet, selection: Selection, *, repeats: dict[str, int]) -> None:
    """Write the page without pictures.

    Raises:
        T2IGanError: if it cannot be written.
    """
    report = _start(found, selection)
    add_figures(report, gather(found.load, selection), selection, repeats)
    report.save(path)


def write_preview(path: Path, found: ScoreSet, selection: Selection, *, count: int = 12) -> int:
    """Write the page with contact sheets.

    Args:
        path: the .html.
        found: the shards and their scores.
        selection: of these shards.
        count: examples a group.

    Returns:
        Number of examples.

    Raises:
        T2IGanError: if it cannot be written.
    """
    report = _start(found, selection)
    add_figures(report, gather(found.load, selection), selection, {})
    plain = [
        reason for reason, n in selection.counts().items() if n and reason in (*WITHOUT_THRESHOLD, *LACKING)
    ]
    sheets = edge_sheets(found.load, selection, count)
    sheets += plain_sheets(found.load, selection, plain, count)
    sheets += pair_sheets(found.load, selection, count, load_embeddings=found.load_embeddings)
    _add_sheets(report, found, selection, sheets)
    report.save(path)
    return sum(len(group.examples) for sheet in sheets for group in sheet.groups)


def _start(found: ScoreSet, selection: Selection) -> Report:
    """Counts by reason, and what moving a threshold would do."""
    report = Report("t2igan data: what is kept")
    share = percent(selection.kept / max(1, selection.seen))
    report.text(
        f"{selection.kept:,} of {selection.seen:,} samples in {len(found.shards):,} shards are kept ({share}){_by(selection)}."
    )
    report.section("Kept and dropped")
    report.text("A sample is counted under the first rule that drops it, in this order.")
    left, steps = selection.seen, [("seen", 0, selection.seen)]
    for reason, n in shown_counts(selection).items():
        left -= n
        steps.append((reason, n, left))
    report.drawing(waterfall("What each rule drops", steps))
    report.table(waterfall_rows(selection), WATERFALL_HEADER)
    if selection.margins:
        report.section("If a threshold moved")
        report.text(MARGINS)
        report.table(margin_rows(selection), MARGIN_HEADER)
    _add_origins(report, selection)
    return report


def _by(selection: Selection) -> str:
    """By which preset."""
    if selection.preset is None:
        return ""
    changed = "" if find_preset(selection.preset).rules == selection.rules else " with changes"
    return f", by preset `{selection.preset}`{changed}"


def _add_origins(report: Report, selection: Selection) -> None:
    rows = [[name, o.source, o.weights or "-"] for name, found in selection.origins.items() for o in found]
    if rows:
        report.section("Whose scores")
        report.table(rows, ["score", "source", "weights"])


def _add_sheets(report: Report, found: ScoreSet, selection: Selection, sheets: Sequence[Sheet]) -> None:
    report.section("Examples")
    report.text(
        f"From {len(some_shards(selection))} of {len(selection.shards)} shards. What is kept passed every rule; what is dropped, the "
        "rules before. Point at a picture for its shard and key."
    )
    examples = [example for sheet in sheets for group in sheet.groups for example in group.examples]
    thumbnails = read_thumbnails(found, examples, side_for(sheets))
    for sheet in sheets:
        report.section(sheet.title)
        report.drawing(sheet_html(sheet, thumbnails))
