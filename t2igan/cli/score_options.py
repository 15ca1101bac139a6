"""Options that say what is measured of every sample. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from t2igan.errors import UsageError

ClipWeights = Annotated[
    str | None, typer.Option("--clip-weights", metavar="FILE", help="Local weights instead of open_clip's.")
]
QuickGelu = Annotated[
    bool | None,
    typer.Option("--quick-gelu/--gelu", help="Activation of local weights; OpenAI's need --quick-gelu."),
]
AestheticWeights = Annotated[
    str | None,
    typer.Option(
        "--aesthetic-weights", metavar="FILE", help="Aesthetic predictor V1 or V2, on --clip's embeddings."
    ),
]
WatermarkWeights = Annotated[
    str | None, typer.Option("--watermark-weights", metavar="FILE", help="Linear watermark head.")
]
NsfwWeights = Annotated[str | None, typer.Option("--nsfw-weights", metavar="FILE", help="Linear NSFW head.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Images that CLIP sees at once.")]
MaxPixels = Annotated[int, typer.Option("--max-pixels", min=64, help="Refuse larger images by their header.")]
Headers = Annotated[
    bool,
    typer.Option(
        "--headers-only", help="Decode no image that no measure needs; broken ones show in training."
    ),
]
NoModel = Annotated[
    bool,
    typer.Option(
        "--no-model",
        help="Run no network: only scores that are there count; samples without go (or stay: --missing keep).",
    ),
]
NoColumns = Annotated[
    bool,
    typer.Option("--no-columns", help="Do not take scores that the data carries (LAION, COYO, DataComp)."),
]


def heads_from(aesthetic: str | None, name: str, watermark: str | None, nsfw: str | None) -> tuple[Any, ...]:
    """The heads that the options name.

    Args:
        aesthetic: weights file, or None.
        name: of the aesthetic column, as in v2.
        watermark: weights file, or None.
        nsfw: weights file, or None.
    """
    from t2igan.curate.config import HeadConfig

    found = [HeadConfig(kind="aesthetic", weights=aesthetic, name=name)] if aesthetic else []
    found += [HeadConfig(kind="watermark", weights=watermark, name="watermark")] if watermark else []
    found += [HeadConfig(kind="nsfw", weights=nsfw, name="nsfw")] if nsfw else []
    return tuple(found)


def refuse_idle(given: Mapping[str, object], needed: str, *, is_idle: bool) -> None:
    """Refuse options that would be ignored.

    Args:
        given: option -> value; None = not given.
        needed: the option without which they say nothing.
        is_idle: whether it is missing.

    Raises:
        UsageError: naming the first of them.
    """
    for option in (name for name, value in given.items() if is_idle and value is not None):
        raise UsageError(f"{option}: has no effect without {needed}. Give it, or leave {option} out.")


def refuse_beside(option: str, given: Mapping[str, object]) -> None:
    """Refuse options that contradict another.

    Raises:
        UsageError: naming the first of them.
    """
    for name in (name for name, value in given.items() if value not in (None, False)):
        raise UsageError(f"{name}: contradicts {option}. Leave one of them out.")


def part_from(text: str) -> tuple[int, int]:
    """`i/n` -> (i, n).

    Raises:
        UsageError: if it is anything else.
    """
    number, _, total = text.partition("/")
    if not number.isdecimal() or not total.isdecimal() or not int(number) < int(total):
        raise UsageError(f"--part {text}: give i/n as in 0/16, i from 0 to n - 1.")
    return int(number), int(total)
