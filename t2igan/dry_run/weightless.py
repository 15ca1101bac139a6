"""A recipe that needs no downloaded weights, and which weights the real one lacks here. Builds nothing itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from t2igan import checkpoint, weights
from t2igan.config import Config
from t2igan.errors import CheckpointError, WeightsError
from t2igan.features import inception, lpips
from t2igan.features.config import ClipTapsConfig, DinoConfig, LpipsConfig
from t2igan.losses.config import ClipGuidanceConfig
from t2igan.metrics.config import ClipFeaturesConfig, DinoFeaturesConfig, InceptionConfig
from t2igan.recipe.schema import EncoderRecipe, GanLoss, GanRecipe
from t2igan.text.config import ClipTextConfig

AnyRecipe = GanRecipe | EncoderRecipe
OPEN_CLIP = ClipTextConfig | ClipGuidanceConfig | ClipFeaturesConfig | ClipTapsConfig
C = TypeVar("C", bound=Config)


def without_weights(recipe: AnyRecipe) -> AnyRecipe:
    """The recipe with random weights in every frozen network that has a public name.

    A small CLIP that t2igan trained stays: only its file says how large it is.

    Raises:
        CheckpointError: if such a file is missing.
        WeightsError: if open_clip cannot be imported.
    """
    if isinstance(recipe, EncoderRecipe):
        return recipe
    _need_files(recipe)
    backbone = recipe.discriminator.frozen
    of_loss = {key: _random(section) for key, section in _read_by(recipe.loss).items()}
    return recipe.model_copy(
        update={
            "conditioner": _random(recipe.conditioner),
            "discriminator": recipe.discriminator.with_frozen(_random(backbone))
            if backbone
            else recipe.discriminator,
            "loss": recipe.loss.model_copy(update=of_loss),
        }
    )


def missing_weights(recipe: AnyRecipe) -> list[str]:
    """One line for each frozen network that training reads and whose weights are not on this machine."""
    if isinstance(recipe, EncoderRecipe):
        return []
    return _missing((recipe.conditioner, recipe.discriminator.frozen, *_read_by(recipe.loss).values()))


def _read_by(loss: GanLoss) -> dict[str, Config]:
    """The sections of a loss that name frozen networks, by key."""
    sections = {key: getattr(loss, key, None) for key in ("guide", "perceptual")}
    return {key: section for key, section in sections.items() if section is not None}


def missing_metrics(recipe: AnyRecipe) -> list[str]:
    """The same for the networks of a recipe's metrics."""
    if isinstance(recipe, EncoderRecipe) or recipe.metrics is None:
        return []
    return _missing((recipe.metrics.features, recipe.metrics.clip))


def _missing(sections: Sequence[Config | None]) -> list[str]:
    found = []
    for section in sections:
        try:
            _look_for(section)
        except WeightsError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def _look_for(section: Config | None) -> None:
    """Look for a network's weights, and download nothing: whoever only plans writes no cache either."""
    path: Path | None = Path()
    if isinstance(section, DinoConfig | DinoFeaturesConfig) and (section.pretrained or section.weights):
        path = weights.timm_file(section.model, section.weights)
    if isinstance(section, OPEN_CLIP) and section.pretrained:
        path = weights.open_clip_file(section.model, section.pretrained, quick_gelu=section.quick_gelu)
    if isinstance(section, InceptionConfig):
        path = Path(section.weights or Path(os.environ.get("T2IGAN_WEIGHTS", "")) / inception.FILE)
    if isinstance(section, LpipsConfig) and section.pretrained:
        path = next((place for place in lpips.places(section) if not place.is_file()), path)
    if path is None or not path.exists():
        name = (
            path.name
            if path and isinstance(section, LpipsConfig)
            else getattr(section, "model", inception.FILE)
        )
        raise WeightsError(f"the weights of {name} are not on this machine.")


def _random(section: C) -> C:
    if isinstance(section, LpipsConfig):
        return section.model_copy(update={"pretrained": False, "backbone": None, "linear": None})
    if isinstance(section, DinoConfig):
        return section.model_copy(update={"pretrained": False, "weights": None})
    if isinstance(section, ClipTextConfig | ClipGuidanceConfig | ClipTapsConfig):
        gelu = weights.quick_gelu_of(section.model, section.pretrained, section.quick_gelu)
        return section.model_copy(update={"pretrained": None, "quick_gelu": gelu})
    return section


def _need_files(recipe: GanRecipe) -> None:
    """Say which key names a checkpoint that is not here."""
    sections = {
        "conditioner": recipe.conditioner,
        "discriminator.backbone": recipe.discriminator.frozen,
    } | {f"loss.{key}": section for key, section in _read_by(recipe.loss).items()}
    for key, section in sections.items():
        name = getattr(section, "checkpoint", None)
        if name is None:
            continue
        try:
            checkpoint.locate(name)
        except CheckpointError as error:
            raise CheckpointError(
                f"{key}.checkpoint: {error} Its sizes are needed to plan this run: train that network first, or name "
                f"another with --set {key}.checkpoint=FILE."
            ) from error
