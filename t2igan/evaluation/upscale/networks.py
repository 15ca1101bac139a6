"""Which networks look at enlarged pictures: the words of the command line, or what this machine has. Measures nothing."""

from __future__ import annotations

from typing import Any

from t2igan import checkpoint
from t2igan.errors import UsageError, WeightsError, nearest
from t2igan.evaluation.choice import network_of, offline_advice
from t2igan.evaluation.metric import Metric
from t2igan.evaluation.probes import FeatureProbe
from t2igan.features.config import LpipsConfig, PerceptualConfig, SmallClipTowerConfig
from t2igan.features.inception import verify_archive
from t2igan.features.lpips import PerceptualDistance, build_perceptual
from t2igan.metrics.config import InceptionConfig
from t2igan.metrics.names import perceptual_name

AUTO, NONE = "auto", "none"
PERCEPTUAL = ("auto", "lpips_alex", "lpips_vgg", "small_clip", "none")
TAPS = (1, 3, 4)  # at a half, a quarter and an eighth of the picture's size
SCORER = "embedded:shapes_scorer"  # not the CLIP that the shapes recipes train with
LEAST = 32  # px that the networks of LPIPS need


class Perceptual:
    """A perceptual distance of pairs of pictures.

    Attributes:
        name: in results; `lpips_...` only for LPIPS with its own weights.
        text: network and weights.
        config: as a recipe would name it.
    """

    def __init__(self, config: PerceptualConfig) -> None:
        """Load the network.

        Raises:
            WeightsError: if its weights are not on this machine.
            CheckpointError: if a small CLIP's checkpoint cannot be read.
        """
        self.net: PerceptualDistance = build_perceptual(config)
        self.name, self.config = perceptual_name(config), config
        self.text = f"{self.name}-{checkpoint.fingerprint(self.net.state_dict())}"


def find_perceptual(word: str) -> tuple[Perceptual | None, list[str]]:
    """What `--perceptual` names, and warnings.

    Args:
        word: of PERCEPTUAL, or small_clip:FILE; `auto` is LPIPS of AlexNet where its weights are, else the small CLIP.

    Raises:
        UsageError: if there is no such distance.
        WeightsError: if its weights are not on this machine.
        CheckpointError: if a small CLIP's checkpoint cannot be read.
    """
    kind, _, file = word.partition(":")
    if kind not in PERCEPTUAL or (file and kind != "small_clip"):
        raise UsageError(
            f"--perceptual {word}: no such distance{nearest(kind, PERCEPTUAL)}. There are {', '.join(PERCEPTUAL)}, and "
            "small_clip:FILE."
        )
    if kind == NONE:
        return None, []
    if kind == "small_clip":
        return _small_clip(file or SCORER), []
    try:
        return Perceptual(LpipsConfig(net="vgg" if kind == "lpips_vgg" else "alex")), []
    except WeightsError as error:
        if kind != AUTO:
            raise WeightsError(
                f"{error} Without weights there is --perceptual small_clip (no LPIPS)."
            ) from error
        found = _small_clip(SCORER)
        return found, [f"no LPIPS, but {found.name}, which compares with no paper: {_short(error)}"]


def find_features(word: str) -> tuple[tuple[Metric, FeatureProbe] | None, list[str]]:
    """The distance of patches that `--features` names, its network, and warnings.

    Args:
        word: as `network_of` reads it, or `auto` (Inception where its weights are, else the small CLIP), or `none`.

    Raises:
        UsageError: if there is no such network.
        WeightsError: if its weights are not on this machine.
    """
    if word == NONE:
        return None, []
    warnings = []
    if word == AUTO:
        word = "inception"
        try:
            verify_archive(InceptionConfig())
        except WeightsError as error:
            word = "small_clip"
            warnings = [
                f"no patch-FID, but a distance by {word}, which compares with no paper: {_short(error)}"
            ]
    with offline_advice():
        metric = Metric("frechet", network_of(word))
        return (metric, FeatureProbe(metric.network)), warnings  # pyright: ignore[reportArgumentType]


def taught_by(recipe: dict[str, Any], perceptual: Perceptual) -> list[str]:
    """A warning if a network was trained to make this very distance small."""
    own = perceptual.config
    keys = ("kind", "net") if isinstance(own, LpipsConfig) else ("kind", "checkpoint")
    wanted = {key: getattr(own, key) for key in keys}
    told = recipe.get("loss")
    section = told.get("perceptual") if isinstance(told, dict) else None
    if not isinstance(section, dict) or {key: section.get(key) for key in keys} != wanted:
        return []
    return [
        f"its training made {perceptual.name} small itself, so that distance says little; take another --perceptual"
    ]


def _small_clip(file: str) -> Perceptual:
    return Perceptual(SmallClipTowerConfig(checkpoint=file, taps=TAPS))


def _short(error: Exception) -> str:
    return str(error).split(". ")[0]
