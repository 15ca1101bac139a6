"""Everything that an evaluation of an upsampler needs, found and checked before a picture is measured. Measures nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from t2igan.errors import UsageError
from t2igan.evaluation.probes import FeatureProbe
from t2igan.evaluation.source import ImageSource
from t2igan.evaluation.upscale.methods import ByModel, Method, filters
from t2igan.evaluation.upscale.networks import LEAST, Perceptual, find_features, find_perceptual, taught_by
from t2igan.evaluation.upscale.pictures import originals
from t2igan.evaluation.upscale.recipe import Recipe
from t2igan.evaluation.upscale.request import UpscaleEvalRequest
from t2igan.features.config import LpipsConfig
from t2igan.upscaler.model import Upscaler
from t2igan.upscaling import DEFAULT_UPSCALER


@dataclass(frozen=True)
class Prepared:
    """Model, pictures and networks."""

    name: str  # of the model
    upscaler: Upscaler
    model: ByModel
    recipe: Recipe
    source: ImageSource
    perceptual: Perceptual | None
    features: FeatureProbe | None
    distance: str | None  # what the Frechet distance of patches is called
    warnings: list[str]

    @property
    def methods(self) -> list[Method]:
        """Ways to enlarge; the model first."""
        return [self.model, *filters(self.recipe.scale)]

    @property
    def networks(self) -> dict[str, str]:
        """What measures: number -> network."""
        found = {} if self.perceptual is None else {self.perceptual.name: self.perceptual.text}
        if self.features is not None and self.distance is not None:
            found[self.distance] = f"{self.features.name}, {self.features.protocol}"
        return found


def prepare(request: UpscaleEvalRequest, device: torch.device) -> Prepared:
    """Open what is asked for, what fails soonest first.

    Raises:
        UsageError: for a scale that the model cannot do, or sizes and counts that cannot be.
        CheckpointError: if the model cannot be read, or is no upsampler.
        DataError: if there are no pictures.
        WeightsError: if a network is asked for that is not on this machine.
    """
    name = DEFAULT_UPSCALER if request.model is None else request.model
    upscaler = Upscaler.from_checkpoint(name, device=device)
    upscaler.num_passes(request.scale)
    recipe = request.recipe(upscaler)
    small = recipe.resolution // recipe.scale
    model = ByModel(upscaler, recipe.scale, side=small, tile=request.tile, has_noise=request.has_noise)
    perceptual, without_lpips = find_perceptual(request.perceptual)
    if perceptual is not None:
        _check_side(perceptual, recipe)
    found, without_inception = find_features(request.features)
    source = originals(request.data, recipe.resolution, count=request.count, seed=request.seed)
    recipe.check_count(len(source))
    return Prepared(
        name,
        upscaler,
        model,
        recipe,
        source,
        perceptual,
        features=found[1] if found else None,
        distance=f"patch_{found[0].name}" if found else None,
        warnings=[*without_lpips, *without_inception, *_learned_otherwise(upscaler, recipe)]
        + (taught_by(upscaler.header.recipe, perceptual) if perceptual else []),
    )


def _check_side(perceptual: Perceptual, recipe: Recipe) -> None:
    if isinstance(perceptual.config, LpipsConfig) and recipe.resolution < LEAST:
        raise UsageError(
            f"--resolution {recipe.resolution}: LPIPS needs {LEAST} px. Give more, or --perceptual small_clip."
        )


def _learned_otherwise(upscaler: Upscaler, recipe: Recipe) -> list[str]:
    """A warning if the model was trained to undo another way of making small."""
    learned = upscaler.header.config.get("downsample", recipe.shrink)
    if learned == recipe.shrink:
        return []
    return [f"the model learned to undo {learned}, and pictures are made small by {recipe.shrink}"]
