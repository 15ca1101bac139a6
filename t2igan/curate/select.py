"""Rules over the score tables of a whole set of shards -> which samples are kept, in memory of 2 bytes a sample.

One pass applies the rules that look at a row, further ones what needs all rows: the share with the highest CLIP score, then
duplicates. Each pass reads only the columns it needs. No model, no image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from t2igan.curate.columns import score_columns
from t2igan.curate.config import Rules
from t2igan.curate.duplicates import RECORD, near_repeats, repeats
from t2igan.curate.margins import Margins
from t2igan.curate.pool import Load, LoadEmbeddings, Origins, Pool
from t2igan.curate.rules import (
    GLOBAL,
    KEPT,
    active_reasons,
    bounds,
    checks,
    measure,
    needed_columns,
    problems,
)
from t2igan.curate.selection import Selection
from t2igan.curate.semantic import Embedded, semantic_repeats
from t2igan.curate.table import ScoreTable
from t2igan.curate.top_share import Cut, Scores, find_cut
from t2igan.errors import DataError, UsageError

TOP, IMAGE, NEAR, SEMANTIC, CAPTION = GLOBAL


def select(
    load: Load,
    shards: Sequence[str],
    rules: Rules,
    *,
    preset: str | None = None,
    load_embeddings: LoadEmbeddings | None = None,
) -> Selection:
    """Decide for every sample.

    Args:
        load: reads the table of a shard, all columns or some; is called several times for each.
        shards: names, in any order.
        rules: what is kept.
        preset: where they come from, to be recorded.
        load_embeddings: reads image embeddings of a shard; for semantic duplicates only.

    Raises:
        DataError: if the scores are of another model than the rules are meant for, are missing, or differ in their weights.
        UsageError: if there are several scores of a kind and the rules do not say which.
    """
    if not shards:
        raise DataError("there is nothing to select from. Run `t2igan data score` first.")
    if len(set(shards)) < len(shards):
        raise UsageError("a shard is given twice: name each once.")
    model, columns = _model(load, sorted(shards), rules)
    pool = Pool(load, sorted(shards), active_reasons(rules, columns), _rank_column(model, rules), model)
    found = Selection(rules, preset, pool.names, pool.codes, columns=columns)
    margins = _judge_rows(pool, found)
    if rules.clip_top is not None:
        found.cut = _drop_below_top(pool, columns["clip"], rules.clip_top)
    _drop_duplicates(pool, rules, columns.get("embedding"), load_embeddings)
    found.margins = margins.of(found.kept)
    return found


def _model(load: Load, shards: Sequence[str], rules: Rules) -> tuple[ScoreTable, dict[str, str]]:
    """The first table that has what the rules look at, and those columns; a shard may be empty or carry no scores."""
    problem = None
    for shard in shards:
        table = load(shard, None)
        try:
            return table, score_columns(table, rules)
        except DataError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _rank_column(table: ScoreTable, rules: Rules) -> str | None:
    """The CLIP scores that tell which duplicate is the better one: those of the rules, or the only ones there."""
    there = [name for name in table.columns.column_names if name.startswith("clip:")]
    if rules.clip is not None:
        return f"clip:{rules.clip}" if f"clip:{rules.clip}" in there else None
    return there[0] if len(there) == 1 else None


def _judge_rows(pool: Pool, found: Selection) -> Margins:
    """Apply the rules that look at one row."""
    columns, origins = found.columns, Origins()
    margins = Margins(found.rules, bounds(found.rules, columns))
    needed = needed_columns(found.rules, columns)
    for number, shard in enumerate(pool.shards):
        table = pool.read(number, needed)
        named, failed = problems(table), list(checks(table, found.rules, columns))
        pool.start(number, named)
        for reason, fails in failed:
            pool.drop(number, fails, reason)
        margins.add(table, failed, named == KEPT)
        found.sources[shard] = table.source
        for column in columns.values():
            origins.add(column, table)
    found.origins = origins.lists()
    return margins


def _drop_below_top(pool: Pool, column: str, share: float) -> Cut:
    """Keep the share of the samples left that has the highest score; of equal scores the smallest uids."""

    def scores() -> Scores:
        for number in range(len(pool.shards)):
            found = measure(pool.read(number, [column]), column)
            rows = pool.rows_left(number)
            rows = rows[~np.isnan(found[rows])]
            yield number, rows, found[rows]

    cut = find_cut(scores, share)
    lowest = np.inf if cut.score is None else cut.score
    tied = [np.zeros(0, RECORD)]
    for number, rows, found in scores():
        pool.drop(number, rows[found < lowest], TOP)
        at_cut = rows[found == lowest]
        if len(at_cut):
            tied.append(pool.places(number, at_cut, pool.read(number, ["uid"])))
    ties = np.concatenate(tied)
    order = np.lexsort([ties[key] for key in ("row", "shard", "low", "high")])
    pool.drop_places(ties[order[cut.ties :]], TOP)
    return cut


def _drop_duplicates(
    pool: Pool, rules: Rules, embedding: str | None, load_embeddings: LoadEmbeddings | None
) -> None:
    """Drop equal images, near ones, those with near embeddings, equal captions; each among the samples that are left."""
    equal = {"image_hash": IMAGE} if "exact" in rules.dedup else {}
    if "phash" in rules.dedup and rules.phash_distance == 0:
        equal["phash"] = NEAR
    for column, reason in equal.items():
        _drop_repeats(pool, column, reason)
    if "phash" in rules.dedup and rules.phash_distance > 0:
        pool.drop_places(near_repeats(pool.records("phash"), rules.phash_distance), NEAR)
    if embedding is not None:
        if load_embeddings is None:
            raise UsageError(
                "rules that compare embeddings need load_embeddings: give that of the score set."
            )
        _drop_semantic(pool, embedding, load_embeddings, rules.embedding_similarity)
    if "caption" in rules.dedup:
        _drop_repeats(pool, "caption_hash", CAPTION)


def _drop_semantic(pool: Pool, column: str, load: LoadEmbeddings, similarity: float) -> None:
    def embedded() -> Iterator[Embedded]:
        for shard, records in zip(pool.shards, pool.records(column), strict=True):
            if len(records):
                yield records, load(shard, column, records["row"])

    for places in semantic_repeats(embedded, pool.left, similarity):
        pool.drop_places(places, SEMANTIC)


def _drop_repeats(pool: Pool, column: str, reason: str) -> None:
    for places in repeats(pool.records(column), pool.left):
        pool.drop_places(places, reason)
