"""What a run's metrics are called, by the networks that measure them. Torch-free, and loads no network."""

from __future__ import annotations

from pathlib import Path

from t2igan.features.config import LpipsConfig, PerceptualConfig
from t2igan.metrics.config import (
    INCEPTION_SHA256,
    ClipFeaturesConfig,
    DinoFeaturesConfig,
    FeaturesConfig,
    InceptionConfig,
    MetricsConfig,
    ScorerConfig,
)


def distance_name(config: FeaturesConfig) -> str:
    """`fid` for Inception with clean-fid's resize and nothing else; other Frechet distances are `fd_NETWORK`.

    The genuine Inception with another resize is `fid_legacy_...`: a FID, and no other FID's equal.
    """
    if isinstance(config, InceptionConfig):
        name = "fid" if config.sha256 == INCEPTION_SHA256 else "fd_inception"
        return name if config.resize == "clean" else f"{name}_{config.resize}"
    if isinstance(config, DinoFeaturesConfig):
        return f"fd_{_stem(config.model)}"
    if isinstance(config, ClipFeaturesConfig):
        return f"fd_{_clip_name(config)}"
    return f"fd_{config.kind}"


def score_name(config: ScorerConfig) -> str:
    """`clip_score_NETWORK`: scores of two CLIPs do not compare."""
    return f"clip_score_{_clip_name(config) if isinstance(config, ClipFeaturesConfig) else config.kind}"


def perceptual_name(config: PerceptualConfig) -> str:
    """`lpips_NET` for LPIPS with its own published weights and nothing else; other distances are `perceptual_NETWORK`."""
    if not isinstance(config, LpipsConfig):
        return f"perceptual_{Path(config.checkpoint.removeprefix('embedded:')).stem}"
    is_own = config.pretrained and config.backbone is None and config.linear is None
    return f"lpips_{config.net}" if is_own else f"perceptual_{config.net}"


def metric_names(config: MetricsConfig) -> list[str]:
    """Everything that is measured."""
    return [distance_name(config.features), *([score_name(config.clip)] if config.clip else [])]


def is_better(config: MetricsConfig, new: float, old: float | None) -> bool:
    """Whether a value of the metric `best` beats the best so far; None = there is none yet."""
    if old is None:
        return True
    return new < old if config.best == distance_name(config.features) else new > old


def _clip_name(config: ClipFeaturesConfig) -> str:
    return f"{_stem(config.model)}_{_stem(config.pretrained or 'random')}"


def _stem(name: str) -> str:
    """A model name or tag as it is; of a file its name without folder and ending."""
    is_file = "/" in name or name.endswith((".json", ".safetensors", ".bin", ".pt", ".pth"))
    return Path(name).stem if is_file else name
