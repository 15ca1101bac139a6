"""Which numbers there are, what network each looks through, and how rows become one. The maths is t2igan.metrics'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from t2igan.errors import UsageError
from t2igan.evaluation.probes import OWN_WAY, FeatureProbe, PairProbe, PairRecipe, Probe
from t2igan.evaluation.store import Rows
from t2igan.features.inception import inception_classifier
from t2igan.metrics.clip_score import clip_score, cosines
from t2igan.metrics.cmmd import cmmd
from t2igan.metrics.config import (
    ClipFeaturesConfig,
    FeaturesConfig,
    InceptionConfig,
    JudgeFeaturesConfig,
    ScorerConfig,
    SmallClipFeaturesConfig,
)
from t2igan.metrics.fid import frechet_distance
from t2igan.metrics.inception_score import inception_score
from t2igan.metrics.kid import kernel_distance
from t2igan.metrics.names import distance_name, score_name
from t2igan.metrics.prc import precision_recall
from t2igan.metrics.stats import FeatureStats

Kind = Literal["frechet", "kid", "prdc", "cmmd", "is", "clip_score"]
COMPARING: tuple[Kind, ...] = ("frechet", "kid", "prdc", "cmmd")
KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5  # to which balls reach: precision and recall's, density and coverage's
IS_SPLITS = 10
MOST_PRDC = 10_000  # pictures of a set; distances are quadratic


@dataclass(frozen=True)
class Metric:
    """One number, or a few that belong together."""

    kind: Kind
    network: FeaturesConfig | ScorerConfig
    pairs: PairRecipe = OWN_WAY  # of a CLIP score

    @property
    def name(self) -> str:
        """What it is called; two networks never share a name, and only Inception's Frechet distance is `fid`."""
        suffix = _own_checkpoint(self.network)
        if self.kind == "clip_score":
            return score_name(self.network) + suffix  # pyright: ignore[reportArgumentType]
        own = distance_name(self.network) + suffix  # pyright: ignore[reportArgumentType]
        if self.kind == "frechet":
            return own
        network = "" if own == "fid" else f"_{own.removeprefix('fd_').removeprefix('fid_')}"
        return f"{self.kind}{network}"

    @property
    def needs_reference(self) -> bool:
        """Whether it compares two sets."""
        return self.kind in COMPARING


def _own_checkpoint(network: FeaturesConfig | ScorerConfig) -> str:
    """`_NAME` of a checkpoint that is not the one in the package which its kind stands for."""
    if not isinstance(network, SmallClipFeaturesConfig | JudgeFeaturesConfig):
        return ""
    if network == type(network)():
        return ""
    return f"_{Path(network.checkpoint.removeprefix('embedded:')).stem}"


def build_probe(metric: Metric) -> Probe:
    """The network that a metric looks through.

    Raises:
        WeightsError: if its weights are not on this machine.
        UsageError: if it cannot give what the metric needs.
    """
    if metric.kind == "is" and not isinstance(metric.network, InceptionConfig):
        raise UsageError(f"an Inception Score needs Inception's classes, not {metric.network.kind}.")
    if metric.kind != "clip_score":
        return FeatureProbe(metric.network)
    if not isinstance(metric.network, ClipFeaturesConfig | SmallClipFeaturesConfig):
        raise UsageError(f"a CLIP score needs a CLIP, not {metric.network.kind}.")
    return PairProbe(metric.network, metric.pairs)


def compute(
    metric: Metric, rows: Rows, reference: Rows | FeatureStats | None, *, seed: int = 0, ddof: int = 1
) -> dict[str, Any]:
    """The values of a metric.

    Args:
        metric: which.
        rows: of the pictures that are judged.
        reference: of the real ones; of their statistics only a Frechet distance is made.
        seed: of subsets.
        ddof: of covariances.

    Returns:
        {"value": ...} with what belongs to it.

    Raises:
        UsageError: if it needs a reference and there is none.
        T2IGanError: if there are too few pictures.
    """
    if metric.kind == "clip_score":
        return _clip_score(rows, seed)
    if metric.kind == "is":
        assert isinstance(metric.network, InceptionConfig)
        return _inception_score(rows, metric.network)
    if reference is None:
        raise UsageError(f"{metric.name}: compares with real pictures. Give them.")
    if metric.kind == "frechet":
        return {"value": frechet_distance(stats_of(rows), stats_of(reference), ddof=ddof), "ddof": ddof}
    if isinstance(reference, FeatureStats):
        raise UsageError(
            f"{metric.name}: needs real pictures; of statistics only Frechet distances are made."
        )
    return _OF_ROWS[metric.kind](rows, reference, seed)


def stats_of(rows: Rows | FeatureStats) -> FeatureStats:
    """Mean and covariance, chunk by chunk in order: the same bits whoever made the chunks."""
    if isinstance(rows, FeatureStats):
        return rows
    chunks = rows.chunks("features")
    first = next(chunks)
    stats = FeatureStats(rows.probe_name, first.shape[1], protocol=rows.probe_protocol, data=rows.source_name)
    stats.add(first)
    for chunk in chunks:
        stats.add(chunk)
    return stats


def _kid(rows: Rows, reference: Rows, seed: int) -> dict[str, Any]:
    size = min(KID_SUBSET_SIZE, rows.count, reference.count)
    found = kernel_distance(
        reference.all("features"), rows.all("features"), subsets=KID_SUBSETS, subset_size=size, seed=seed
    )
    return {"value": found.mean, "std": found.std, "subset_size": found.subset_size, "subsets": KID_SUBSETS}


def _prdc(rows: Rows, reference: Rows, seed: int) -> dict[str, Any]:
    real, drawn = (found.all("features")[:MOST_PRDC] for found in (reference, rows))
    found = precision_recall(real, drawn, k=NEIGHBOURS, k_density=DENSITY_NEIGHBOURS)
    values = {
        "precision": found.precision,
        "recall": found.recall,
        "density": found.density,
        "coverage": found.coverage,
    }
    return {"value": values, "k": _NEIGHBOURS_OF, "comparison": "<=", "first": MOST_PRDC}


def _cmmd(rows: Rows, reference: Rows, seed: int) -> dict[str, Any]:
    return {
        "value": cmmd(reference.all("features"), rows.all("features")),
        "estimator": "biased",
        "scale": 1000,
    }


def _inception_score(rows: Rows, network: InceptionConfig) -> dict[str, Any]:
    mean, std = inception_score(rows.all("features") @ inception_classifier(network).T, splits=IS_SPLITS)
    return {"value": mean, "std": std, "splits": IS_SPLITS}


def _clip_score(rows: Rows, seed: int) -> dict[str, Any]:
    """With the score of the same pictures and captions in other pairs: what a model scores that ignores captions."""
    image, text = rows.all("image"), rows.all("text")
    interval = clip_score(image, text, seed=seed).as_dict()
    found: dict[str, Any] = {**interval, "times_100": 100 * interval["value"]}
    if rows.count > 1:
        order = torch.randperm(rows.count, generator=torch.Generator().manual_seed(seed))
        found["shuffled"] = float(cosines(image[order], text[order.roll(1)]).mean())
    return found


_NEIGHBOURS_OF = {
    "precision": NEIGHBOURS,
    "recall": NEIGHBOURS,
    "density": DENSITY_NEIGHBOURS,
    "coverage": DENSITY_NEIGHBOURS,
}
_OF_ROWS: dict[Kind, Callable[[Rows, Rows, int], dict[str, Any]]] = {
    "kid": _kid,
    "prdc": _prdc,
    "cmmd": _cmmd,
}
