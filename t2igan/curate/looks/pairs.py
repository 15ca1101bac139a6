"""Duplicates beside the sample that was kept for them. Not how they were found."""

from __future__ import annotations

import numpy as np

from t2igan.curate.looks.picking import Best, Example, Group, Sheet, draw_numbers, some_shards
from t2igan.curate.pool import Load
from t2igan.curate.rules import GLOBAL
from t2igan.curate.selection import Selection

_, IMAGE, NEAR, SEMANTIC, CAPTION = GLOBAL
COLUMNS = {IMAGE: "image_hash", NEAR: "phash", CAPTION: "caption_hash"}
BITS = 64


def pair_sheets(load: Load, selection: Selection, count: int) -> list[Sheet]:
    """A sheet for every kind of duplicate that was dropped; kept and dropped samples in turns.

    Args:
        load: reads score tables.
        selection: whose duplicates are shown.
        count: pairs a sheet.
    """
    counts = selection.counts()
    return [_sheet(load, selection, reason, count) for reason in COLUMNS if counts.get(reason)]


def _sheet(load: Load, selection: Selection, reason: str, count: int) -> Sheet:
    best, code = Best(count), selection.names.index(reason)
    for shard in some_shards(selection):
        table = load(shard, ["key", "uid"])
        best.offer(shard, table, np.flatnonzero(selection.codes[shard] == code), draw_numbers(table, reason))
    shown: list[Example] = []
    for gone, stays in zip(best.examples(), _partners(load, selection, reason, best.examples()), strict=True):
        shown += [stays, Example(gone.shard, gone.row, gone.key, "goes")]
    bits = " Bits: in how many of 64 their hashes differ." if reason == NEAR else ""
    return Sheet(reason, f"In pairs: what stays, and what goes for it.{bits}", (Group("", tuple(shown)),))


def _partners(load: Load, selection: Selection, reason: str, gone: tuple[Example, ...]) -> list[Example]:
    """For each the nearest sample that was left when duplicates of this kind went; of equally near ones the first."""
    column = COLUMNS[reason]
    wanted = [np.uint64(load(e.shard, [column]).columns[column][e.row].as_py()) for e in gone]
    later = ("", *GLOBAL[GLOBAL.index(reason) + 1 :])
    left = [code for code, name in enumerate(selection.names) if name in later]
    nearest = [(BITS + 1, e) for e in gone]
    for shard, codes in selection.codes.items():
        table = load(shard, ["key", column])
        rows = np.flatnonzero(np.isin(codes, left) & table.columns[column].is_valid().to_numpy())
        hashes = table.columns[column].fill_null(0).to_numpy()[rows]
        for i, value in enumerate(wanted if len(rows) else ()):
            apart = np.unpackbits((hashes ^ value).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)
            place = int(np.argmin(apart))
            if apart[place] < nearest[i][0]:
                bits, row = int(apart[place]), int(rows[place])
                note = f"stays, {bits} bits" if reason == NEAR else "stays"
                nearest[i] = (bits, Example(shard, row, table.columns["key"][row].as_py(), note))
    return [example for _, example in nearest]
