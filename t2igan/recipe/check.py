"""What the sections of a recipe must agree on. One-section rules live in the sections' own validators."""

from __future__ import annotations

import re
from itertools import pairwise

from t2igan.errors import RecipeError
from t2igan.recipe.check_metrics import metric_problems
from t2igan.recipe.check_networks import channel_problems, network_problems
from t2igan.recipe.check_text import text_problems
from t2igan.recipe.schema import EncoderRecipe, GanRecipe, TrainConfig
from t2igan.recipe.stages import at_stage
from t2igan.text.config import HashingConfig, NoTextConfig

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
    found += [*dict.fromkeys(of_stages), *text_problems(recipe), *network_problems(recipe)]
    return [*found, *_resolutions(recipe), *_noise(recipe), *metric_problems(recipe)]


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
    return found or [problem for r in sorted(set(sizes)) for problem in channel_problems(recipe, r)]


def _noise(recipe: GanRecipe) -> list[str]:
    if recipe.loss.noise_mode == "none" and recipe.generator.noise:
        return [
            "loss.noise_mode: 'none' never uses the noise that generator.noise adds; set generator.noise to false"
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
