"""The results of protocol `shapes-v1` as tables and pictures for people. Computes no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from t2igan import images
from t2igan.metrics.accuracy import ALL
from t2igan.metrics.judging import Case
from t2igan.metrics.shapes import ShapesResult
from t2igan.report import Report, percent

KIND_TITLES = {"single": "One object", "pair": "Two objects"}
COLUMNS = ("held-out", "seen", "real, held-out", "shuffled, held-out")
PAIR_NOTE = "In scenes of two objects, a question counts as right only when it is right for both."
ABOUT = (
    "A judge network that was trained on real renderings only reads each image. **Held-out** prompts ask for "
    "colour-shape combinations that training never showed. Two controls: **real** renderings of the same scenes "
    "(the ceiling), and the same images judged by the prompts of other images, **shuffled** (chance). "
    "Brackets are 95 % intervals."
)
DISTANCES = (
    "Distances between judge features (standardised, {dims} components at most) of {n} generated and {m} real images "
    "of other scenes. The real column is what real renderings score: nothing can do better than that by more than "
    "chance."
)
GRID_COLUMNS, TILE = 6, 160  # tiles a row; their side in pixels, about


def accuracy_rows(numbers: Mapping[str, Any], kind: str) -> list[list[str]]:
    """One row a question: its name, then the columns of COLUMNS as text."""
    own, real, shuffled = (
        tree["accuracy"][kind]
        for tree in (numbers, numbers["controls"]["real"], numbers["controls"]["shuffled"])
    )
    cells = (own["held_out"], own["seen"], real["held_out"], shuffled["held_out"])
    return [
        ["all together" if question == ALL else question, *(_percent(cell.get(question)) for cell in cells)]
        for question in own["held_out"]
    ]


def distance_rows(numbers: Mapping[str, Any]) -> list[list[str]]:
    """Frechet distance, KID and CLIP score: the name, then generated, real and shuffled as text."""
    real, shuffled = numbers["controls"]["real"], numbers["controls"]["shuffled"]
    names = {"frechet": "Frechet distance", "kid": "KID", "clip_score": "CLIP score"}
    return [
        [title, *(_interval(tree.get(key)) for tree in (numbers, real, shuffled))]
        for key, title in names.items()
        if numbers[key] is not None
    ]


def add_shapes_sections(
    report: Report, result: ShapesResult, *, class_names: Mapping[str, Sequence[str]]
) -> None:
    """Add tables, worst and best images, and the run's settings to a report.

    Args:
        report: grows at its end.
        result: what to show.
        class_names: attribute -> class names, to say what the judge read.
    """
    numbers = result.numbers
    report.section("Prompt accuracy")
    report.text(ABOUT)
    for kind in numbers["accuracy"]:
        count = numbers["accuracy"][kind]["held_out"][ALL]["n"]
        report.text(
            f"**{KIND_TITLES[kind]}** ({count} images a split)" + (f". {PAIR_NOTE}" if kind == "pair" else "")
        )
        report.table(accuracy_rows(numbers, kind), ["attribute", *COLUMNS])
    report.section("Distances")
    report.text(DISTANCES.format(dims=64, n=numbers["n"], m=numbers["reference_n"]))
    report.table(distance_rows(numbers), ["measure", "generated", "real", "shuffled prompts"])
    for title, cases in (("Worst images", result.worst), ("Best images", result.best)):
        report.section(title)
        report.text("By the judge's probability of everything that the prompt asked for.")
        report.image(_grid(result, cases, class_names), f"{title} of {numbers['n']}")
    if "run" in numbers:
        report.section("Settings")
        report.table([[name, str(value)] for name, value in numbers["run"].items()], ["setting", "value"])


def mistakes(result: ShapesResult, index: int, class_names: Mapping[str, Sequence[str]]) -> list[str]:
    """What the judge read differently from the prompt, such as "shape_a ring"."""
    asked, read = result.prompts.labels[index].tolist(), result.predicted[index].tolist()
    return [
        f"{name.replace('_', ' ')} {class_names[name][r]}"
        for name, a, r in zip(result.prompts.columns, asked, read, strict=True)
        if a not in (-1, r)
    ]


def _grid(result: ShapesResult, cases: Sequence[Case], class_names: Mapping[str, Sequence[str]]) -> bytes:
    captions = []
    for case in cases:
        wrong = mistakes(result, case.index, class_names)
        reading = f"READ: {', '.join(wrong)}" if wrong else "read as asked"
        captions.append(
            f"{result.prompts.captions[case.index]} | {reading}, sure {100 * case.confidence:.0f} %"
        )
    tiles = torch.stack([case.image for case in cases])
    scale = max(1, TILE // tiles.shape[-1])
    return images.png_bytes(images.grid(tiles, GRID_COLUMNS, captions=captions, scale=scale))


def _percent(cell: Mapping[str, float] | None) -> str:
    return "-" if cell is None else percent(cell["value"], cell["low"], cell["high"])


def _interval(cell: Mapping[str, float] | None) -> str:
    return "-" if cell is None else f"{cell['value']:.4g} [{cell['low']:.4g}, {cell['high']:.4g}]"
