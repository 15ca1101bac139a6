"""What the sections of a recipe must agree on. One-section rules live in the sections' own validators."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from t2igan import checkpoint
from t2igan.errors import CheckpointError, RecipeError
from t2igan.features.config import DinoConfig, RandomConvConfig, SmallClipTowerConfig
from t2igan.losses.config import GigaGANUpsamplerLossConfig
from t2igan.recipe.check_metrics import metric_problems
from t2igan.recipe.schema import EncoderRecipe, GanRecipe, TrainConfig
from t2igan.recipe.stages import at_stage
from t2igan.text.config import ConditionerConfig, HashingConfig, NoTextConfig, SmallClipTextConfig

CONV_TOWER_LAYERS = 5
_FAMILIES = {
    "projected_gan": {"generator": "stylegan_t", "discriminator": "projected"},
    "gigagan": {"generator": "gigagan", "discriminator": "gigagan"},
    "gigagan_upsampler": {"generator": "gigagan_upsampler", "discriminator": "gigagan"},
}
_TRAINS = {"clip_contrastive": "small_clip", "attributes": "judge"}


def check(recipe: GanRecipe | EncoderRecipe, *, world: int = 1) -> None:
    """Refuse a recipe whose sections contradict each other.

    Args:
        recipe: any decoded recipe.
        world: number of processes that will share a batch.

    Raises:
        RecipeError: one line a contradiction, each with the keys to change.
    """
    found = problems(recipe, world=world)
    if found:
        raise RecipeError("\n".join(found))


def problems(recipe: GanRecipe | EncoderRecipe, *, world: int = 1) -> list[str]:
    """The contradictions of a recipe, one line each."""
    found = _name(recipe.name)
    if isinstance(recipe, EncoderRecipe):
        return [*found, *_batch(recipe.train, world), *_encoder(recipe)]
    of_stages = [problem for i in range(len(recipe.stages)) for problem in _stage(recipe, i, world)]
    found += [*dict.fromkeys(of_stages), *_text_widths(recipe), *_guidance(recipe)]
    found += [*_family(recipe), *_unread_text(recipe), *_perceptual(recipe)]
    return [*found, *_resolutions(recipe), *_backbone(recipe), *_noise(recipe), *metric_problems(recipe)]


def _name(name: str) -> list[str]:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        return []
    return [f"name: {name!r} names the run's folder; use letters, digits, '_', '-' and '.' only"]


def _batch(train: TrainConfig, world: int) -> list[str]:
    if train.batch % world:
        return [
            f"train.batch: {train.batch} cannot be shared by {world} processes; make it a multiple of {world}"
        ]
    share = train.batch // world
    if train.batch_gpu is None or share % train.batch_gpu == 0:
        return []
    whole = f"{train.batch}" if world == 1 else f"{train.batch} / {world} processes = {share}"
    return [f"train.batch: {whole} is no multiple of train.batch_gpu {train.batch_gpu}; change either"]


def _family(recipe: GanRecipe) -> list[str]:
    """Networks that only their own loss can train, and what they read."""
    archs = {"generator": recipe.generator.arch, "discriminator": recipe.discriminator.arch}
    found = [
        f"loss.kind: {recipe.loss.kind!r} trains {key}s of arch {wanted!r}, not {archs[key]!r}"
        for key, wanted in _FAMILIES[recipe.loss.kind].items()
        if archs[key] != wanted
    ]
    if (recipe.generator.reads_tokens or recipe.discriminator.reads_tokens) and not recipe.conditioner.tokens:
        found.append(f"conditioner.tokens: {archs['generator']} reads text tokens; set it to true")
    if any(stage.r1_gamma is not None for stage in recipe.stages) and not hasattr(recipe.loss, "r1_gamma"):
        found.append(f"stages: r1_gamma means nothing to loss.kind {recipe.loss.kind!r}; leave it out")
    return found


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


def _perceptual(recipe: GanRecipe) -> list[str]:
    loss = recipe.loss
    if not isinstance(loss, GigaGANUpsamplerLossConfig) or bool(loss.perceptual_weight) == bool(
        loss.perceptual
    ):
        return []
    if loss.perceptual is None:
        weight = f"{loss.perceptual_weight:g}"
        return [f"loss.perceptual_weight: {weight} needs a network; set loss.perceptual, or the weight to 0"]
    return [
        "loss.perceptual: unused while loss.perceptual_weight is 0; set a weight, or loss.perceptual to null"
    ]


def text_width(conditioner: ConditionerConfig) -> int | None:
    """Length of the conditioner's embedding as far as files tell, without building it; None = unknown."""
    if isinstance(conditioner, HashingConfig):
        return conditioner.dim
    if isinstance(conditioner, NoTextConfig):
        return 0
    if isinstance(conditioner, SmallClipTextConfig):
        try:
            return checkpoint.read_header(conditioner.checkpoint).config["text"]["embed_dim"]
        except (CheckpointError, KeyError):
            return None  # whoever builds it says what is wrong with the file
    return _open_clip_width(conditioner.model)


def _open_clip_width(model: str) -> int | None:
    """`embed_dim` of an open_clip model, read from its JSON file: importing open_clip takes seconds."""
    package = find_spec("open_clip")
    folders = list(package.submodule_search_locations or []) if package else []
    candidates = [Path(model)] + [
        Path(f) / "model_configs" / f"{model.replace('/', '-')}.json" for f in folders
    ]
    for path in candidates:
        if path.suffix == ".json" and path.is_file():
            try:
                return json.loads(path.read_text(encoding="utf-8"))["embed_dim"]
            except (ValueError, KeyError):
                return None
    return None


def _text_widths(recipe: GanRecipe) -> list[str]:
    widths = {"generator.c_dim": recipe.generator.c_dim, "discriminator.c_dim": recipe.discriminator.c_dim}
    given = text_width(recipe.conditioner)
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


def _guidance(recipe: GanRecipe) -> list[str]:
    weights = [at_stage(recipe, i).loss.clip_weight for i in range(len(recipe.stages))]
    if any(weights) and recipe.loss.guide is None:
        return [f"loss.clip_weight: {max(weights)} needs a network; set loss.guide, or the weight to 0"]
    if recipe.loss.guide is not None and not any(weights):
        return ["loss.guide: unused while loss.clip_weight is 0; set a weight, or leave loss.guide out"]
    return []


def _stage(recipe: GanRecipe, number: int, world: int) -> list[str]:
    """What a stage's own keys must agree on."""
    config, found = recipe.stages[number], _batch(at_stage(recipe, number).train, world)
    key = f"stages.{number}"
    if config.trains == "text_encoder" and isinstance(recipe.conditioner, HashingConfig | NoTextConfig):
        found.append(
            f"{key}.trains: the conditioner {recipe.conditioner.kind!r} has nothing to train; use clip_text or small_clip"
        )
    if config.trains == "text_encoder" and config.freeze_up_to is not None:
        found.append(
            f"{key}.freeze_up_to: the whole generator stands still while the text encoder trains; leave it out"
        )
    if config.freeze_up_to is not None and config.freeze_up_to >= config.resolution:
        found.append(
            f"{key}.freeze_up_to: {config.freeze_up_to} leaves no block of {config.resolution} px to train"
        )
    return found


def _resolutions(recipe: GanRecipe) -> list[str]:
    sizes = [stage.resolution for stage in recipe.stages]
    found = [f"stages.{i}.resolution: {r} is not a power of two" for i, r in enumerate(sizes) if r & (r - 1)]
    if any(b < a for a, b in pairwise(sizes)):
        found.append(f"stages: resolutions {', '.join(map(str, sizes))} must not fall from stage to stage")
    return found or [problem for r in sorted(set(sizes)) for problem in _channels(recipe, r)]


def _noise(recipe: GanRecipe) -> list[str]:
    if recipe.loss.noise_mode == "none" and recipe.generator.noise:
        return [
            "loss.noise_mode: 'none' never uses the noise that generator.noise adds; set generator.noise to false"
        ]
    return []


def _channels(recipe: GanRecipe, resolution: int) -> list[str]:
    """The generator's own rules, at a stage's resolution."""
    generator = recipe.generator
    try:
        type(generator).model_validate({**generator.model_dump(), "resolution": resolution})
    except ValidationError as error:
        why = [item["msg"].removeprefix("Value error, ") for item in error.errors()]
        return [f"generator at {resolution} px: {text}" for text in why]
    return []


def _backbone(recipe: GanRecipe) -> list[str]:
    backbone = recipe.discriminator.frozen
    if isinstance(backbone, DinoConfig):
        patch = re.search(r"patch(\d+)", backbone.model)
        if patch and backbone.image_size % int(patch[1]):
            return [
                f"discriminator.backbone.image_size: {backbone.image_size} is no multiple of {backbone.model}'s patch {patch[1]}"
            ]
    if isinstance(backbone, RandomConvConfig) and backbone.image_size < 2 ** len(backbone.channels):
        return [
            f"discriminator.backbone.image_size: {backbone.image_size} px do not survive "
            f"{len(backbone.channels)} halvings; give fewer channels, or at least {2 ** len(backbone.channels)} px"
        ]
    if isinstance(backbone, SmallClipTowerConfig) and not all(
        0 <= tap < CONV_TOWER_LAYERS for tap in backbone.taps
    ):
        return [
            f"discriminator.backbone.taps: {list(backbone.taps)}; the tower's layers are 0 to {CONV_TOWER_LAYERS - 1}"
        ]
    return []


def _encoder(recipe: EncoderRecipe) -> list[str]:
    arch, found = recipe.encoder.arch, []
    if arch != _TRAINS[recipe.loss.kind]:
        found.append(
            f"loss.kind: {recipe.loss.kind!r} trains a {_TRAINS[recipe.loss.kind]}, but encoder.arch is {arch!r}"
        )
    if recipe.train.shard_generator:
        found.append("train.shard_generator: an encoder has no generator to split; leave it out")
    if recipe.loss.kind == "clip_contrastive" and recipe.train.batch < 2:
        found.append("train.batch: clip_contrastive compares captions with each other and needs at least 2")
    return found
