"""What was found in shards, as tables on a terminal: findings, embeddings. Finds nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PLACES = 5  # shards that a table names for a kind of finding
NAMES = 3  # shards without embeddings that a table names


def show_findings(summary: Mapping[str, Any]) -> None:
    """Every kind of finding, errors first, with the first places and what to do."""
    from t2igan.cli.selection_tables import show_table

    rows = [row for finding in summary["findings"] for row in _finding_rows(finding)]
    if rows:
        show_table(["level", "found", "times", "shard", "sample", "what to do"], rows, has_lines=True)
    print(f"{summary['samples']:,} samples in {summary['shards']:,} shards: {summary['errors']:,} errors, "
          f"{summary['remarks']:,} remarks")  # fmt: skip


def _finding_rows(finding: Mapping[str, Any]) -> Iterator[list[Any]]:
    """One row a shard; the last one says how many more there are."""
    for number, place in enumerate(finding["where"][:PLACES]):
        head = [finding["level"], finding["what"]] if not number else ["", ""]
        samples = "\n".join(_sample(example) for example in place["samples"])
        more = place["count"] - len(place["samples"])
        samples += f"\nand {more:,} more" if more > 0 else ""
        yield [*head, place["count"], place["shard"], samples, "" if number else finding["fix"]]
    if finding["shards"] > PLACES:
        shown = sum(place["count"] for place in finding["where"][:PLACES])
        yield ["", "", finding["count"] - shown, f"in {finding['shards'] - PLACES:,} more", "", ""]


def _sample(example: Mapping[str, str]) -> str:
    return ": ".join(text for text in (example["sample"], example["detail"]) if text)


def show_embeddings(found: Mapping[str, Any]) -> None:
    """Which encoders a set has embeddings of."""
    from t2igan.cli.selection_tables import show_table

    if not found["encoders"]:
        print(f"no text embeddings beside {found['shards']:,} shards")
        return
    rows = [
        [
            encoder["fingerprint"],
            encoder["dim"],
            "yes" if encoder["tokens"] else "no",
            f"{encoder['shards']:,} of {found['shards']:,}",
            _few(encoder["lacking"]),
            _few([f"{name}: {why}" for name, why in encoder["unfit"].items()]),
        ]
        for encoder in found["encoders"]
    ]
    show_table(["encoder", "width", "tokens", "shards", "lacking", "do not fit"], rows, has_lines=True)


def _few(names: list[str]) -> str:
    more = [f"and {len(names) - NAMES:,} more"] if len(names) > NAMES else []
    return "\n".join([*names[:NAMES], *more])
