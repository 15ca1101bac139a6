"""Duplicates beside the sample that was kept for them. Not how they were found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from t2igan.curate.looks.picking import Best, Example, Group, Sheet, draw_numbers, some_shards
from t2igan.curate.pool import Load, LoadEmbeddings
from t2igan.curate.rules import GLOBAL
from t2igan.curate.selection import Selection
from t2igan.curate.semantic import unit

_, IMAGE, NEAR, SEMANTIC, CAPTION = GLOBAL
COLUMNS = {IMAGE: "image_hash", NEAR: "phash", CAPTION: "caption_hash"}
BITS = 64
ABOUT = {
    NEAR: " Bits: in how many of 64 their hashes differ.",
    SEMANTIC: " The number: the cosine of their embeddings.",
}


def pair_sheets(
    load: Load, selection: Selection, count: int, *, load_embeddings: LoadEmbeddings | None = None
) -> list[Sheet]:
    """A sheet for every kind of duplicate that was dropped; kept and dropped samples in turns.

    Args:
        load: reads score tables.
        selection: whose duplicates are shown.
        count: pairs a sheet.
        load_embeddings: reads image embeddings; without it semantic duplicates are left out.
    """
    counts, sheets = selection.counts(), []
    for reason in GLOBAL[1:]:
        if not counts.get(reason) or (reason == SEMANTIC and load_embeddings is None):
            continue
        gone = _gone(load, selection, reason, count)
        partners = (
            _alike(load, load_embeddings, selection, gone)
            if reason == SEMANTIC and load_embeddings is not None
            else _partners(load, selection, reason, gone)
        )
        sheets.append(_sheet(reason, gone, partners))
    return sheets


def _gone(load: Load, selection: Selection, reason: str, count: int) -> tuple[Example, ...]:
    """Some of those that were dropped, drawn by a fixed seed."""
    best, code = Best(count), selection.names.index(reason)
    for shard in some_shards(selection):
        table = load(shard, ["key", "uid"])
        best.offer(shard, table, np.flatnonzero(selection.codes[shard] == code), draw_numbers(table, reason))
    return best.examples()


def _sheet(reason: str, gone: Sequence[Example], partners: Sequence[Example]) -> Sheet:
    shown: list[Example] = []
    for goes, stays in zip(gone, partners, strict=True):
        shown += [stays, Example(goes.shard, goes.row, goes.key, "goes")]
    about = f"In pairs: what stays, and what goes for it.{ABOUT.get(reason, '')}"
    return Sheet(reason, about, (Group("", tuple(shown)),))


def _left(selection: Selection, reason: str) -> list[int]:
    """Codes of the samples that were left when a rule had been applied."""
    later = ("", *GLOBAL[GLOBAL.index(reason) + 1 :])
    return [code for code, name in enumerate(selection.names) if name in later]


def _partners(load: Load, selection: Selection, reason: str, gone: tuple[Example, ...]) -> list[Example]:
    """For each the nearest sample that was left when duplicates of this kind went; of equally near ones the first."""
    column = COLUMNS[reason]
    wanted = [np.uint64(load(e.shard, [column]).columns[column][e.row].as_py()) for e in gone]
    left = _left(selection, reason)
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


def _alike(
    load: Load, load_embeddings: LoadEmbeddings, selection: Selection, gone: tuple[Example, ...]
) -> list[Example]:
    """For each the sample with the largest cosine that was left when semantic duplicates went."""
    column, left = selection.columns["embedding"], _left(selection, SEMANTIC)
    wanted = unit(np.concatenate([load_embeddings(e.shard, column, np.array([e.row])) for e in gone]))
    nearest = [(-1.0, e) for e in gone]
    for shard, codes in selection.codes.items():
        table = load(shard, ["key", column])
        is_known = column in table.columns.column_names and table.columns[column].is_valid().to_numpy()
        rows = np.flatnonzero(np.isin(codes, left) & is_known)
        if not len(rows):
            continue
        cosines = wanted @ unit(load_embeddings(shard, column, rows)).T
        for i, place in enumerate(cosines.argmax(axis=1)):
            cosine, row = float(cosines[i, place]), int(rows[place])
            if cosine > nearest[i][0]:
                key = table.columns["key"][row].as_py()
                nearest[i] = (cosine, Example(shard, row, key, f"stays, {cosine:.3f}"))
    return [example for _, example in nearest]
