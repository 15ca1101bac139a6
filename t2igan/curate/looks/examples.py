"""Which samples show what a rule does: nearest to its threshold on each side, and others at random. Not how they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from t2igan.curate.looks.picking import Best, Example, Group, Sheet, draw_numbers, some_shards
from t2igan.curate.looks.statistics import label
from t2igan.curate.margins import Edge, edges
from t2igan.curate.pool import Load
from t2igan.curate.rules import Bound, bounds, measure
from t2igan.curate.selection import Selection
from t2igan.curate.table import ScoreTable

NOTES = {"language": "language", "no language": "words", "letters": "letters"}  # column told with an example


def edge_sheets(load: Load, selection: Selection, count: int) -> list[Sheet]:
    """A sheet for every threshold of the rules on numbers, clip_top's included.

    Args:
        load: reads score tables.
        selection: whose rules are shown.
        count: examples a group.
    """
    sides = [_Edge(edge, selection, count) for edge in _edges(selection)]
    for shard in some_shards(selection) if sides else ():
        table = load(shard, None)
        for side in sides:
            side.offer(shard, table, selection.codes[shard])
    return [side.sheet() for side in sides]


def _edges(selection: Selection) -> list[Edge]:
    found = [edge for bound in bounds(selection.rules, selection.columns) for edge in edges(bound)]
    if selection.cut is not None and selection.cut.score is not None:
        bound = Bound("clip_top", selection.columns["clip"], low=selection.cut.score)
        found.append(Edge(bound, "least", selection.cut.score))
    return found


class _Edge:
    """Samples on both sides of a threshold."""

    def __init__(self, edge: Edge, selection: Selection, count: int) -> None:
        self._edge, self._count = edge, count
        self._code = selection.names.index(edge.bound.reason)
        self._title = f"{edge.bound.reason}: at {edge.side} {edge.limit:.4g}"
        self._near = Best(count), Best(count)  # kept, dropped
        self._any = Best(2 * count), Best(2 * count)

    def offer(self, shard: str, table: ScoreTable, codes: np.ndarray) -> None:
        """Take the samples of one shard."""
        limit, is_least = self._edge.limit, self._edge.side == "least"
        values = measure(table, self._edge.bound.measure).astype(np.float64)
        numbers, distance = draw_numbers(table, self._title), np.abs(values - limit)
        # a score is stored as the nearest float32; and of those that tie at the cut of clip_top some go
        falls = values <= limit if is_least else values >= limit
        masks = (codes == 0) & ~np.isnan(values), (codes == self._code) & falls
        for i, mask in enumerate(masks):
            rows = np.flatnonzero(mask)
            self._near[i].offer(shard, table, rows, numbers, distance=distance, values=values)
            self._any[i].offer(shard, table, rows, numbers, values=values)

    def sheet(self) -> Sheet:
        """The four groups, from well kept to well dropped."""
        groups = (
            Group("kept, at random", self._others(0)),
            Group("kept, nearest to the threshold", self._near[0].examples()),
            Group("dropped, nearest to the threshold", self._near[1].examples()),
            Group("dropped, at random", self._others(1)),
        )
        return Sheet(self._title, f"By {label(self._edge.bound.measure)}.", groups)

    def _others(self, side: int) -> tuple[Example, ...]:
        """Random ones, none of which is among the nearest."""
        near = set(self._near[side].examples())
        return tuple(e for e in self._any[side].examples() if e not in near)[: self._count]


def plain_sheets(load: Load, selection: Selection, reasons: Sequence[str], count: int) -> list[Sheet]:
    """A sheet of kept and dropped samples for each rule without a threshold, such as language."""
    found = []
    for reason in reasons:
        both = {
            "kept, at random": (Best(count), 0),
            "dropped, at random": (Best(count), selection.names.index(reason)),
        }
        for shard in some_shards(selection):
            table = load(shard, ["key", "uid"])
            for best, code in both.values():
                rows = np.flatnonzero(selection.codes[shard] == code)
                best.offer(shard, table, rows, draw_numbers(table, reason))
        groups = [
            Group(title, tuple(_noted(load, best, NOTES.get(reason)))) for title, (best, _) in both.items()
        ]
        found.append(Sheet(reason, "", tuple(groups)))
    return found


def _noted(load: Load, best: Best, column: str | None) -> Iterator[Example]:
    for e in best.examples():
        note = "" if column is None else str(load(e.shard, [column]).columns[column][e.row].as_py())
        yield Example(e.shard, e.row, e.key, note)
