"""Named sets of rules with their sources, and how options change them. Not how a rule is applied. Torch-free.

Bounds are inclusive here. Where a source says "more than", counts are one higher; for scores the difference is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from t2igan.curate.config import Rules
from t2igan.errors import UsageError, nearest

NO_LIMIT = 2**31 - 1  # in a range without an upper end
UNPUBLISHED = "Neither GAN paper publishes thresholds, so there is no preset for StyleGAN-T or GigaGAN."
_PAPERS = {
    "stylegant": "StyleGAN-T's authors name their data sets (CC3M, CC12M, YFCC, RedCaps, LAION-aesthetic-6+), no thresholds",
    "gigagan": "GigaGAN's authors say that CLIP score, resolution and aesthetic score were used, and give no numbers",
}
_MEANT_FOR = {"min_clip": "clip", "min_aesthetic": "aesthetic"}  # threshold -> what it is a threshold of

_USERS = {
    "clip": ("min_clip", "clip_top", "dedup"),
    "aesthetic": ("min_aesthetic",),
}  # a model -> the rules that ask it


@dataclass(frozen=True)
class Preset:
    """Rules that somebody used, as far as ours can say them."""

    rules: Rules
    meaning: str
    source: str
    differs: str  # what of the original is not in the rules


PRESETS = {
    "laion2b": Preset(
        Rules(languages=("en",), clip="ViT-B-32/openai", min_clip=0.28),
        meaning="CLIP ViT-B/32 cosine of at least 0.28, English",
        source="LAION-2B-en, as reproduced in DataComp's baselines",
        differs="English was told by gcld3, here by py3langid from 5 words on. LAION also dropped texts of under 5 characters "
        "and downloads of under 5 kB.",
    ),
    "datacomp-basic": Preset(
        Rules(
            min_resolution=200,
            max_aspect=3.0,
            caption_words=(3, NO_LIMIT),
            caption_chars=(6, NO_LIMIT),
            languages=("en",),
        ),
        meaning="English, more than 2 words and 5 characters, shorter side of at least 200, aspect of at most 3",
        source="DataComp, basic filtering (apply_filter.py)",
        differs="English was told by fastText. Sides were those of the download; shards often hold smaller copies.",
    ),
    "datacomp-clip30": Preset(
        Rules(clip="ViT-L-14/openai", clip_top=0.3),
        meaning="the 30 % with the highest CLIP ViT-L/14 cosine",
        source="DataComp, CLIP score filtering (apply_filter.py)",
        differs="DataComp also keeps the sample at the cut, and whatever ties with it. DataComp-1B keeps of these 30 % only "
        "images near those of ImageNet-1k, which no rule here can say.",
    ),
    "sd15": Preset(
        Rules(min_resolution=512, aesthetic="v2", min_aesthetic=5.0, max_watermark=0.5),
        meaning="shorter side of at least 512, aesthetic score above 5, watermark probability under 0.5",
        source="Stable Diffusion v1.2 to v1.5, model card",
        differs="It was applied to LAION-2B-en; for other data add --languages en --clip ViT-B-32/openai --min-clip 0.28. "
        "Sides were those of the download. The card does not say which aesthetic head; v2 is assumed.",
    ),
    "cc12m": Preset(
        Rules(min_resolution=401, max_aspect=2.5, caption_words=(3, 256), max_repetition=0.2),
        meaning="sides above 400, aspect of at most 2.5, 3 to 256 words, at most 0.2 of them repeated",
        source="Conceptual 12M, as quoted by its dataset card",
        differs="Not expressed: JPEG only, the detectors of pornography, and names of people that become <PERSON>.",
    ),
    "aesthetic6": Preset(
        Rules(aesthetic="v2", min_aesthetic=6.0),
        meaning="aesthetic score of at least 6",
        source="LAION-Aesthetics V2, subset 6+ (12 million of LAION-2B-en)",
        differs="It was applied to LAION-2B-en, which was filtered as by laion2b before.",
    ),
    "t2igan": Preset(
        Rules(
            max_aspect=2.5,
            caption_words=(2, 256),
            max_nsfw=0.5,
            max_watermark=0.5,
            clip="ViT-L-14/openai",
            min_clip=0.22,
            aesthetic="v2",
            min_aesthetic=5.0,
            dedup=("exact", "phash"),
        ),
        meaning="aspect of at most 2.5, 2 to 256 words, CLIP ViT-L/14 of at least 0.22, aesthetic of at least 5, watermark and "
        "unsafe of at most 0.5, no duplicates",
        source="ours, a starting point: the middle of what the others use",
        differs="Add --min-resolution with the side you train at. Instead of 0.22: --clip-top 0.5 --without clip.",
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        UsageError: if there is none, also for the papers that publish no thresholds.
    """
    if name in PRESETS:
        return PRESETS[name]
    paper = name.lower().replace("_", "").replace("-", "")
    if paper in _PAPERS:
        raise UsageError(
            f"--preset {name}: there is none, as {_PAPERS[paper]}. Choose one of {', '.join(PRESETS)}."
        )
    raise UsageError(f"--preset {name}: no such preset{nearest(name, PRESETS)}. Known: {', '.join(PRESETS)}.")


def combine(preset: str | None, overrides: Mapping[str, Any]) -> Rules:
    """The rules of a preset with some replaced.

    Args:
        preset: its name; None = no rule at all.
        overrides: field of Rules -> value; None takes the rule away.

    Raises:
        UsageError: if a value is none the field can have, or a threshold of the preset would meet another model.
    """
    base = find_preset(preset).rules if preset else Rules()
    for threshold, scale in _MEANT_FOR.items():
        meant, asked = getattr(base, scale), overrides.get(scale)
        if (
            asked
            and meant
            and asked != meant
            and getattr(base, threshold) is not None
            and threshold not in overrides
        ):
            option = threshold.replace("_", "-")
            raise UsageError(
                f"--{scale} {asked}: the {option} {getattr(base, threshold)} of preset {preset} is meant for {meant}, and says "
                f"nothing about another model. Give --{option} as well."
            )
    given = {name: value for name, value in overrides.items() if value is not None}
    rest = {name: value for name, value in base.model_dump().items() if name not in overrides}
    try:
        rules = Rules.model_validate(_without_idle_models(rest, given) | given)
    except ValidationError as error:
        raise UsageError(_explain(error)) from error
    _check_ranges(rules)
    _check_companions(rules, overrides)
    return rules


def _without_idle_models(rest: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A preset names a model for its thresholds; with these, it goes."""
    after = {**rest, **given}
    idle = {scale for scale, users in _USERS.items() if all(after.get(user) in (None, ()) for user in users)}
    return {name: value for name, value in rest.items() if name not in idle}


def _check_companions(rules: Rules, overrides: Mapping[str, Any]) -> None:
    """Refuse options that say how a rule works which is not there."""
    companions = {
        "phash_distance": ("--phash-distance", "phash" in rules.dedup, "--dedup phash"),
        "embedding_similarity": (
            "--embedding-similarity",
            "embedding" in rules.dedup,
            "--dedup embedding",
        ),
        "keep_unknown_language": ("--drop-unknown-language", bool(rules.languages), "--languages"),
    }
    for field, (option, is_used, needed) in companions.items():
        if overrides.get(field) is not None and not is_used:
            raise UsageError(f"{option}: has no effect without {needed}. Give it, or leave {option} out.")


def check_used(rules: Rules) -> None:
    """Refuse to name a model that nothing is asked of; where scores are made, it may be wanted all the same.

    Raises:
        UsageError: naming the options that are missing.
    """
    for scale, users in _USERS.items():
        if getattr(rules, scale) is not None and all(getattr(rules, user) in (None, ()) for user in users):
            options = " or ".join(f"--{user.replace('_', '-')}" for user in users)
            raise UsageError(
                f"--{scale} {getattr(rules, scale)}: has no effect without {options}. Give one, or leave it out."
            )


def _explain(error: ValidationError) -> str:
    """The first thing that is wrong, by the name of its option."""
    first = error.errors()[0]
    option = str(first["loc"][0]).replace("_", "-")
    return f"--{option} {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}."


def _check_ranges(rules: Rules) -> None:
    for name in ("caption_words", "caption_chars"):
        found = getattr(rules, name)
        if found and not 0 <= found[0] <= found[1]:
            raise UsageError(
                f"--{name.replace('_', '-')} {found[0]}..{found[1]}: give the least first, as in 2..70."
            )
