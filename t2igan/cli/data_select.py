"""`t2igan data select|stats|preview|presets`: which samples rules keep, and how that looks. Arguments in, library calls out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2igan.cli.rule_options import Chosen, takes_rules

if TYPE_CHECKING:
    from t2igan.curate.selection import Selection

Source = Annotated[str, typer.Argument(help="Folder, file, glob or brace pattern of shards, local or a URL.")]
Scores = Annotated[
    str | None, typer.Option("--scores", help="Folder of the score tables; default: beside the shards.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print every number as JSON.")]
Of = Annotated[
    Path | None,
    typer.Option("--selection", metavar="FOLDER", help="What `data select` wrote, instead of rules."),
]


@takes_rules
def select(
    source: Source,
    chosen: Chosen,
    scores: Scores = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the reasons and the keep list.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn thresholds into a keep list, from the tables of `data score`: seconds, no model, no image.

    Prints how many samples each rule drops, and what moving a threshold by 10 % would keep. A sample is counted under the
    first rule that drops it.

    Example: t2igan data select datasets/web --preset sd15 --min-resolution 256 --dry-run
    """
    from t2igan.errors import UsageError

    if (out is None) != dry_run:
        raise UsageError(
            "give either --out FOLDER or --dry-run."
            if out is None
            else "--dry-run writes nothing: leave out --out."
        )
    from t2igan.curate.presets import check_used
    from t2igan.curate.score_set import open_scores
    from t2igan.curate.select import select as select_samples
    from t2igan.curate.selection import write_selection

    check_used(chosen.rules)
    found = open_scores(source, scores)
    selection = select_samples(found.load, list(found.shards), chosen.rules, preset=chosen.preset)
    if out is not None:
        write_selection(selection, out, found.load)
    if as_json:
        print(json.dumps(selection.summary()))
        return
    _show(selection)


def presets(as_json: AsJson = False) -> None:
    """List the presets of rules: what they keep, where they come from, and how ours differ from the original.

    Neither GAN paper publishes thresholds, so there is none for StyleGAN-T or GigaGAN.
    """
    from t2igan.curate.presets import PRESETS, UNPUBLISHED

    if as_json:
        found = {name: {"rules": preset.rules.model_dump(mode="json", exclude_defaults=True), "meaning": preset.meaning,
                        "source": preset.source, "differs": preset.differs} for name, preset in PRESETS.items()}  # fmt: skip
        print(json.dumps(found))
        return
    _table(
        ["preset", "keeps", "source", "differs from it"],
        [[name, preset.meaning, preset.source, preset.differs] for name, preset in PRESETS.items()],
        has_lines=True,
    )
    print(UNPUBLISHED)


def _show(selection: Selection) -> None:
    """The waterfall and the margins as tables."""
    from t2igan.curate.looks.words import margin_rows, waterfall_rows

    _table(["reason", "dropped", "share of all", "left"], waterfall_rows(selection), right=(1, 2, 3))
    if selection.margins:
        _table(["rule", "threshold", "10 % lower", "would keep", "10 % higher", "would keep"], margin_rows(selection),
               right=(1, 2, 3, 4, 5))  # fmt: skip
    if selection.cut is not None:
        cut = selection.cut
        print(f"clip_top: {cut.count:,} of {cut.pool:,} samples, those from {cut.score:.4f} on")


def _table(
    header: list[str], rows: list[list[str]], *, right: tuple[int, ...] = (), has_lines: bool = False
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_lines=has_lines)
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number in right else "left")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    Console().print(table)


def _plain(text: str) -> Any:
    """Text in which brackets are no markup."""
    from rich.text import Text

    return Text(text)
