"""What a recipe's metrics must agree on with the rest of it. Loads no network."""

from __future__ import annotations

from t2igan.errors import nearest
from t2igan.features.config import BackboneConfig, ClipTapsConfig, DinoConfig, SmallClipTowerConfig
from t2igan.losses.config import ClipGuidanceConfig
from t2igan.metrics.config import (
    ClipFeaturesConfig,
    DinoFeaturesConfig,
    FeaturesConfig,
    SmallClipFeaturesConfig,
)
from t2igan.metrics.names import metric_names
from t2igan.models import checkpoint_kind
from t2igan.recipe.schema import GanRecipe
from t2igan.text.config import ClipTextConfig, ConditionerConfig, SmallClipTextConfig

Network = tuple[str, ...]


def metric_problems(recipe: GanRecipe) -> list[str]:
    """The contradictions of `metrics`, one line each."""
    config, found = recipe.metrics, []
    if config is None:
        return []
    if checkpoint_kind(recipe.generator.arch) == "upsampler":
        return [
            "metrics: they judge pictures drawn from prompts, and an upsampler draws none; leave them out. Its log has "
            "G/psnr beside bicubic/psnr."
        ]
    names = metric_names(config)
    if config.best is not None and config.best not in names:
        miss = nearest(config.best, names) or "."
        found.append(
            f"metrics.best: {config.best!r} is not measured{miss} Measured: {', '.join(names)}; null keeps no best"
        )
    critics = {
        _network(
            recipe.discriminator.frozen
        ): "criticises the generator (frozen network of the discriminator)",
        _network(recipe.loss.guide): "guides the generator (loss.guide)",
    }
    readers = {_network(recipe.conditioner): "reads the generator's captions (conditioner)"}
    found += _partial("metrics.features", config.features, critics)
    return found + (_partial("metrics.clip", config.clip, critics | readers) if config.clip else [])


def _partial(key: str, section: FeaturesConfig, used: dict[Network | None, str]) -> list[str]:
    """A network that the generator learned to please says nothing of its quality."""
    network = _network(section)
    if network is None or network not in used:
        return []
    return [f"{key}: {' '.join(network)} {used[network]}, so its verdict is worth nothing; choose another"]


def _network(
    section: FeaturesConfig | BackboneConfig | ConditionerConfig | ClipGuidanceConfig | None,
) -> Network | None:
    """The third-party or trained network that a section names; None where it names none."""
    if isinstance(section, ClipTextConfig | ClipGuidanceConfig | ClipFeaturesConfig | ClipTapsConfig):
        return ("open_clip", section.model, section.pretrained) if section.pretrained else None
    if isinstance(section, SmallClipTextConfig | SmallClipTowerConfig | SmallClipFeaturesConfig):
        return ("small_clip", section.checkpoint)
    if isinstance(section, DinoConfig | DinoFeaturesConfig):
        return ("timm", section.model)
    return None
