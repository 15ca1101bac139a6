"""`t2igan data select|stats|preview|presets`: which samples rules keep, and how that looks. Arguments in, library calls out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2igan.cli.rule_options import Chosen, takes_rules

if TYPE_CHECKING:
    from t2igan.curate.score_set import ScoreSet
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
    from t2igan.cli.selection_tables import show_selection
    from t2igan.curate.selection import write_selection

    found, selection = _selected(source, scores, None, chosen)
    if out is not None:
        write_selection(selection, out, found.load)
    if as_json:
        print(json.dumps(selection.summary()))
        return
    show_selection(selection)


@takes_rules
def stats(
    source: Source,
    chosen: Chosen,
    scores: Scores = None,
    selection: Of = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write figures and tables.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how sizes, captions and scores are spread; with rules or a selection, also what is dropped and why.

    Example: t2igan data stats datasets/web --preset laion2b --html web.html
    """
    from t2igan.cli.selection_tables import show_facts, show_selection
    from t2igan.curate.looks.page import write_statistics
    from t2igan.curate.looks.statistics import as_numbers, gather, repeat_counts

    found, made = _selected(source, scores, selection, chosen)
    facts, repeats = gather(found.load, made), repeat_counts(found.load, made)
    if html is not None:
        write_statistics(html, found, made, repeats=repeats)
    if as_json:
        print(json.dumps(made.summary() | {"statistics": as_numbers(facts, repeats)}))
        return
    show_selection(made)
    show_facts(facts, repeats)


@takes_rules
def preview(
    source: Source,
    chosen: Chosen,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The HTML file.")],
    scores: Scores = None,
    selection: Of = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="Examples on each side of a threshold.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Show what rules do, as one HTML file: waterfall, histograms with the cut, and examples on both sides of every threshold.

    Pictures are read from the shards. Tune thresholds by looking at what is kept and dropped just beside them.

    Example: t2igan data preview datasets/web --preset laion2b --min-resolution 256 --out web.html
    """
    from t2igan.cli.summary import show_summary
    from t2igan.curate.looks.page import write_preview

    found, made = _selected(source, scores, selection, chosen)
    examples = write_preview(out, found, made, count=count)
    summary = {
        "out": str(out),
        "seen": made.seen,
        "kept": made.kept,
        "examples": examples,
        "bytes": out.stat().st_size,
    }
    show_summary(summary, as_json=as_json)


def _selected(
    source: str, scores: str | None, folder: Path | None, chosen: Chosen
) -> tuple[ScoreSet, Selection]:
    """The shards with a selection: one that was written, or by rules."""
    from t2igan.curate.config import Rules
    from t2igan.curate.presets import check_used
    from t2igan.curate.score_set import open_scores
    from t2igan.curate.select import select as select_samples
    from t2igan.curate.selection import read_selection
    from t2igan.errors import UsageError

    if folder is not None and chosen.rules != Rules():
        raise UsageError("give either --selection or rules: a selection has its own rules.")
    check_used(chosen.rules)
    found = open_scores(source, scores)
    if folder is not None:
        sources = {stem: found.load(stem, ["problem"]).source for stem in found.shards}
        return found, read_selection(folder, sources)
    made = select_samples(
        found.load,
        list(found.shards),
        chosen.rules,
        preset=chosen.preset,
        load_embeddings=found.load_embeddings,
    )
    return found, made


def presets(as_json: AsJson = False) -> None:
    """List the presets of rules: what they keep, where they come from, and how ours differ from the original.

    Neither GAN paper publishes thresholds, so there is none for StyleGAN-T or GigaGAN.
    """
    from t2igan.cli.selection_tables import show_table
    from t2igan.curate.presets import PRESETS, UNPUBLISHED

    if as_json:
        found = {name: {"rules": preset.rules.model_dump(mode="json", exclude_defaults=True), "meaning": preset.meaning,
                        "source": preset.source, "differs": preset.differs} for name, preset in PRESETS.items()}  # fmt: skip
        print(json.dumps(found))
        return
    show_table(
        ["preset", "keeps", "source", "differs from it"],
        [[name, preset.meaning, preset.source, preset.differs] for name, preset in PRESETS.items()],
        has_lines=True,
    )
    print(UNPUBLISHED)
