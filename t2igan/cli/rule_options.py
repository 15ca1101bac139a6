"""The options that say which samples are kept, for every command that applies rules. Torch-free."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from t2igan.errors import UsageError, nearest

if TYPE_CHECKING:
    from t2igan.curate.config import Rules

CHOSEN = "chosen"  # the argument of a command that takes rules


@dataclass(frozen=True)
class Chosen:
    """What the options say."""

    rules: Rules
    preset: str | None
    clip: str | None = None  # as it was given; rules.clip is the name of its column


def _option(kind: Any, help_: str, *, metavar: str | None = None) -> tuple[Any, Any]:
    """(annotation, default) of an option with a value; None = not given."""
    return Annotated[kind | None, typer.Option(help=help_, metavar=metavar)], None


def _flag(word: str, help_: str) -> tuple[Any, Any]:
    """(annotation, default) of an option that is on if it is given."""
    return Annotated[bool, typer.Option(word, help=help_)], False


OPTIONS: dict[str, tuple[Any, Any]] = {
    "preset": _option(
        str,
        "Rules that somebody used; the options below replace single ones. laion2b (LAION-2B-en), datacomp-basic and "
        "datacomp-clip30 (DataComp), sd15 (Stable Diffusion v1.5's card), cc12m (Conceptual 12M), aesthetic6 (LAION-Aesthetics "
        "V2), t2igan (ours); `t2igan data presets` says more. Neither GAN paper publishes thresholds.",
    ),
    "min_resolution": _option(int, "Least shorter side in pixels."),
    "max_aspect": _option(float, "Largest ratio of the longer to the shorter side."),
    "min_bytes": _option(int, "Least size of the image file."),
    "caption_words": _option(str, "Words of the caption, as in 2..70, 2.. or ..70.", metavar="RANGE"),
    "caption_chars": _option(str, "Characters of the caption.", metavar="RANGE"),
    "letters": _flag("--letters", "Drop captions without a letter."),
    "max_repetition": _option(float, "Largest share of words that repeat an earlier one."),
    "languages": _option(str, "Languages to keep, as in en,de.", metavar="CODES"),
    "drop_unknown_language": _flag(
        "--drop-unknown-language", "Drop captions of under 5 words, whose language is not told, too."
    ),
    "max_nsfw": _option(float, "Largest probability of unsafe content."),
    "max_watermark": _option(float, "Largest probability of a watermark."),
    "clip": _option(
        str, "The CLIP of the next two, and of --dedup embedding, as in ViT-L-14/openai.", metavar="MODEL/TAG"
    ),
    "min_clip": _option(float, "Least cosine of image and caption."),
    "clip_top": _option(float, "Share with the highest cosine, of what the other rules leave."),
    "aesthetic": _option(str, "The head that --min-aesthetic is meant for, as in v1 or v2.", metavar="HEAD"),
    "min_aesthetic": _option(float, "Least aesthetic score."),
    "dedup": _option(
        str,
        "Keep one of samples with equal image bytes (exact), near perceptual hashes (phash), near CLIP image embeddings "
        "(embedding), equal captions (caption), as in exact,phash.",
        metavar="KINDS",
    ),
    "phash_distance": _option(int, "Bits in which near hashes differ at most; 4 unless given."),
    "embedding_similarity": _option(
        float, "Least cosine of the embeddings of semantic duplicates; 0.95 unless given."
    ),
    "missing": _option(Literal["drop", "keep"], "Samples whose score is not known; dropped unless given."),
    "without": _option(
        str,
        "Rules of the preset to leave out, by the names in the table of reasons, as in nsfw,watermark.",
        metavar="RULES",
    ),
}
_FIELDS = {  # name of a rule in --without -> fields of Rules that it consists of
    "min_resolution": ("min_resolution",),
    "max_aspect": ("max_aspect",),
    "min_bytes": ("min_bytes",),
    "caption_words": ("caption_words",),
    "caption_chars": ("caption_chars",),
    "repetition": ("max_repetition",),
    "language": ("languages",),
    "nsfw": ("max_nsfw",),
    "watermark": ("max_watermark",),
    "clip": ("min_clip",),
    "clip_top": ("clip_top",),
    "aesthetic": ("min_aesthetic", "aesthetic"),
    "dedup": ("dedup",),
}


def takes_rules(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of the table; what they say comes as its argument `chosen`."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != CHOSEN]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in OPTIONS.items()
    ]

    @functools.wraps(command)
    def with_rules(**values: Any) -> None:
        options = {name: values.pop(name) for name in OPTIONS}
        command(**values, chosen=choose(options))

    parameters = [*own, *added]
    with_rules.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_rules.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_rules


def choose(options: Mapping[str, Any]) -> Chosen:
    """The rules that options ask for.

    Args:
        options: every name of OPTIONS -> value; None or False = not given.

    Raises:
        UsageError: if one is no value that it can have, or contradicts the preset.
    """
    from t2igan.curate.presets import combine

    preset = options["preset"]
    given = {
        name: _READ[name](name, value) if name in _READ else value
        for name, value in options.items()
        if value is not None and value is not False and name not in _SPECIAL
    }
    if options["drop_unknown_language"]:
        given["keep_unknown_language"] = False
    if options["clip"]:
        given["clip"] = _column(options["clip"])
    left_out = _left_out(options["without"], preset, given)
    return Chosen(combine(preset, left_out | given), preset, options["clip"])


def _column(clip: str) -> str:
    """The name under which the scores of a checkpoint are kept; of other CLIPs, what was given."""
    from t2igan.curate.config import clip_name
    from t2igan.metrics.config import SmallClipFeaturesConfig

    return clip_name(SmallClipFeaturesConfig(checkpoint=clip)) if clip.endswith(".safetensors") else clip


def _left_out(without: str | None, preset: str | None, given: Mapping[str, Any]) -> dict[str, None]:
    """Fields that --without takes out of a preset."""
    names = _words(without) if without else ()
    if names and preset is None:
        raise UsageError(f"--without {without}: there is no --preset whose rules could be left out.")
    for name in names:
        if name not in _FIELDS:
            raise UsageError(
                f"--without {name}: no such rule{nearest(name, _FIELDS)}. Known: {', '.join(_FIELDS)}."
            )
        if set(_FIELDS[name]) & given.keys():
            raise UsageError(f"--without {name}: the rule is also given as an option. Leave one of them out.")
    return {field: None for name in names for field in _FIELDS[name]}


def _range(name: str, text: str) -> tuple[int, int]:
    """`2..70`, `2..` or `..70` as (2, 70), (2, no limit) or (0, 70)."""
    from t2igan.curate.presets import NO_LIMIT

    least, dots, most = text.partition("..")
    if not dots or not all(part.isdecimal() or not part for part in (least, most)) or not least + most:
        raise UsageError(f"--{name.replace('_', '-')} {text}: give a range, as in 2..70, 2.. or ..70.")
    return int(least or 0), min(int(most or NO_LIMIT), NO_LIMIT)


def _list(name: str, text: str) -> tuple[str, ...]:
    return _words(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))


_SPECIAL = ("preset", "without", "drop_unknown_language")
_READ: dict[str, Callable[[str, str], Any]] = {
    "caption_words": _range,
    "caption_chars": _range,
    "languages": _list,
    "dedup": _list,
}
