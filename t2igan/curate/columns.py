"""Which column of a score table a rule looks at, and that it holds the numbers of the model the rule is meant for."""

from __future__ import annotations

from t2igan.curate.config import Rules
from t2igan.curate.table import ScoreTable
from t2igan.errors import DataError, UsageError

_HOW = {
    "clip": "score DIR --clip MODEL/TAG",
    "aesthetic": "score DIR --clip MODEL/TAG --aesthetic-weights FILE",
    "nsfw": "score DIR --clip MODEL/TAG --nsfw-weights FILE",
    "watermark": "score DIR --clip MODEL/TAG --watermark-weights FILE",
    "embedding": "score DIR --clip MODEL/TAG --embeddings",
    "language": "score DIR --language",
    "phash": "score DIR --phash",
}


def wanted_columns(rules: Rules) -> dict[str, str]:
    """Kind -> column of the active rules that need a score; "clip:" or "embedding:" where no model is named."""
    wanted = {
        "language": "language" if rules.languages else None,
        "nsfw": "nsfw" if rules.max_nsfw is not None else None,
        "watermark": "watermark" if rules.max_watermark is not None else None,
        "clip": f"clip:{rules.clip or ''}"
        if rules.min_clip is not None or rules.clip_top is not None
        else None,
        "aesthetic": f"aesthetic:{rules.aesthetic or ''}" if rules.min_aesthetic is not None else None,
        "phash": "phash" if "phash" in rules.dedup else None,
        "embedding": f"embedding:{rules.clip or ''}" if "embedding" in rules.dedup else None,
    }
    return {kind: column for kind, column in wanted.items() if column is not None}


def score_columns(table: ScoreTable, rules: Rules) -> dict[str, str]:
    """Kind of score -> the column that the active rules look at.

    Raises:
        DataError: if there is none, or none of the model that a threshold is meant for.
        UsageError: if there are several and the rules do not say which.
    """
    named = {"clip": rules.clip, "aesthetic": rules.aesthetic, "embedding": rules.clip}
    return {kind: column_of(table, kind, named.get(kind)) for kind in wanted_columns(rules)}


def column_of(table: ScoreTable, kind: str, wanted: str | None = None) -> str:
    """The column of a kind of score.

    Args:
        table: whose columns there are to choose from.
        kind: clip, aesthetic, watermark, nsfw, embedding, language or phash.
        wanted: model or head that a threshold is meant for, as in ViT-L-14/openai or v2; None = the only one there.

    Raises:
        DataError: if there is none, or none of that model.
        UsageError: if there are several and none is named.
    """
    names = table.columns.column_names
    there = [name for name in names if name == kind or name.startswith(f"{kind}:")]
    where = table.source.name
    if not there:
        raise DataError(f"{where}: no {kind} column in its scores. Make it with `t2igan data {_HOW[kind]}`, or leave the rule "
                        f"out.")  # fmt: skip
    models = [name.partition(":")[2] for name in there]
    scale = "clip" if kind == "embedding" else kind
    if wanted is None and len(there) > 1:
        raise UsageError(
            f"{where}: has several {kind} columns ({', '.join(models)}). Name one: --{scale} {models[0]}."
        )
    if wanted is None or wanted in models:
        return there[0] if wanted is None else f"{kind}:{wanted}"
    option = {"clip": "min-clip or clip-top", "embedding": "similarity"}.get(kind, f"min-{kind}")
    raise DataError(
        f"{where}: the threshold is meant for {kind} {wanted}, but the scores are of {', '.join(models)}. "
        f"Numbers of two models do not compare. Make the other with `t2igan data {_HOW[kind]}`, or give --{scale} {models[0]} "
        f"with a {option} of its own."
    )
