"""What an earlier table of the same shard knows, taken over into a new one. Which settings agree is decided elsewhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2igan.curate.table import FACTS, Origin, ScoreTable


def take_over(table: ScoreTable, earlier: ScoreTable, *, has_carried: bool) -> ScoreTable:
    """Fill what a table lacks with what another one of the same shard has.

    Args:
        table: keeps all that it knows.
        earlier: of the same shard, by an earlier run or by one at the same time.
        has_carried: whether scores that the data brought along are taken, too.
    """
    columns, origins = _with_decoded(table.columns, earlier.columns), dict(table.origins)
    for name, origin in earlier.origins.items():
        own = origins.get(name)
        is_wanted = has_carried or origin.source == "computed"
        if name not in earlier.columns.column_names or not is_wanted or _is_of_other_weights(own, origin):
            continue
        columns = _filled(columns, name, earlier.columns[name])
        origins[name] = origin if own is None or not own.weights else own
    return ScoreTable(table.source, columns, origins, table.made)


def _is_of_other_weights(own: Origin | None, other: Origin) -> bool:
    return own is not None and bool(own.weights and other.weights) and own.weights != other.weights


def _filled(columns: pa.Table, name: str, other: pa.ChunkedArray) -> pa.Table:
    if name in FACTS:
        return columns
    if name not in columns.column_names:
        return columns.append_column(name, other)
    return columns.set_column(columns.column_names.index(name), name, pc.coalesce(columns[name], other))  # pyright: ignore[reportAttributeAccessIssue]


def _with_decoded(columns: pa.Table, earlier: pa.Table) -> pa.Table:
    """Whether images decode, where only the earlier table knows."""
    decoded, problem = columns["decoded"].to_numpy(), columns["problem"].to_numpy()
    news = earlier["decoded"].to_numpy() & ~decoded & (problem == "")
    problem = np.where(news, earlier["problem"].to_numpy(), problem)
    for name, values in (("decoded", decoded | news), ("problem", problem)):
        columns = columns.set_column(columns.column_names.index(name), name, pa.array(values, FACTS[name]))
    return columns
