"""Whether the networks read what the text encoder gives. Torch-free, and nothing is built."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from t2igan import checkpoint
from t2igan.errors import CheckpointError
from t2igan.recipe.schema import GanRecipe
from t2igan.text.config import ConditionerConfig, HashingConfig, NoTextConfig, SmallClipTextConfig


def text_problems(recipe: GanRecipe) -> list[str]:
    """The contradictions between conditioner and networks, one line each."""
    return [*_text_widths(recipe), *_unread_text(recipe)]


def text_width(conditioner: ConditionerConfig, *, of_tokens: bool = False) -> int | None:
    """Length of the conditioner's embedding, or of its tokens, as far as files tell; None = unknown."""
    if isinstance(conditioner, HashingConfig):
        return conditioner.dim
    if isinstance(conditioner, NoTextConfig):
        return 0
    if isinstance(conditioner, SmallClipTextConfig):
        try:
            return checkpoint.read_header(conditioner.checkpoint).config["text"][
                "width" if of_tokens else "embed_dim"
            ]
        except (CheckpointError, KeyError):
            return None  # whoever builds it says what is wrong with the file
    return _open_clip_width(conditioner.model, of_tokens=of_tokens)


def _open_clip_width(model: str, *, of_tokens: bool) -> int | None:
    """`embed_dim` or text width of an open_clip model, read from its JSON file: importing open_clip takes seconds."""
    package = find_spec("open_clip")
    folders = list(package.submodule_search_locations or []) if package else []
    candidates = [Path(model)] + [
        Path(f) / "model_configs" / f"{model.replace('/', '-')}.json" for f in folders
    ]
    for path in candidates:
        if path.suffix == ".json" and path.is_file():
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                return told["text_cfg"]["width"] if of_tokens else told["embed_dim"]
            except (ValueError, KeyError):
                return None
    return None


def _text_widths(recipe: GanRecipe) -> list[str]:
    widths = {"generator.c_dim": recipe.generator.c_dim, "discriminator.c_dim": recipe.discriminator.c_dim}
    given = text_width(recipe.conditioner, of_tokens=recipe.generator.reads_tokens)
    if given is None:
        used = {key: width for key, width in widths.items() if width}
        if len(set(used.values())) < 2:
            return []
        return [
            f"generator.c_dim {widths['generator.c_dim']} and discriminator.c_dim "
            f"{widths['discriminator.c_dim']} differ, but read the same conditioner; make them equal"
        ]
    kind = recipe.conditioner.kind
    remedy = f"{given}, or to 0 for none" if given else "0"
    return [
        f"{key}: {width}, but the conditioner {kind!r} gives {given} numbers; set {key} to {remedy}"
        for key, width in widths.items()
        if width not in (0, given)
    ]


def _unread_text(recipe: GanRecipe) -> list[str]:
    """Wrong captions, where D cannot tell them from right ones."""
    if getattr(recipe.discriminator, "c_dim", 1):
        return []
    keys = ("match_weight", "match_weight_g", "mismatch_weight")
    return [
        f"loss.{key}: {value:g}, but the discriminator reads no text (c_dim 0); set it to 0"
        for key in keys
        if (value := getattr(recipe.loss, key, 0))
    ]
