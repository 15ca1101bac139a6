"""From the words of a command line to metrics: which number, through which network. Loads no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from t2igan import weights
from t2igan.errors import UsageError, WeightsError, nearest
from t2igan.evaluation.metric import Metric
from t2igan.features.inception import verify_archive
from t2igan.metrics.config import (
    ClipFeaturesConfig,
    DinoFeaturesConfig,
    FeaturesConfig,
    InceptionConfig,
    InceptionResize,
    JudgeFeaturesConfig,
    RandomConvFeaturesConfig,
    ScorerConfig,
    SmallClipFeaturesConfig,
)

WORDS = ("fid", "fd", "kid", "prdc", "is", "fd_dinov2", "cmmd", "clip_score")
OFFLINE: dict[str, FeaturesConfig] = {
    "judge": JudgeFeaturesConfig(),
    "small_clip": SmallClipFeaturesConfig(),
    "random_conv": RandomConvFeaturesConfig(),
}
CLIP_FID = ClipFeaturesConfig(model="ViT-B-32", pretrained="openai")  # clean-fid's second opinion
CMMD = ClipFeaturesConfig(model="ViT-L-14-336", pretrained="openai")  # the published one
FEATURES = ("inception", "dinov2", "clip", *OFFLINE)
SCORER = "ViT-g-14/laion2b_s12b_b42k"  # StyleGAN-T's and GigaGAN's


def choose_metrics(
    words: Sequence[str],
    *,
    features: str = "inception",
    resize: InceptionResize = "clean",
    clips: Sequence[str] = (),
) -> list[Metric]:
    """The metrics that are asked for.

    Args:
        words: of WORDS. `fid` is Inception's; `fd`, `kid` and `prdc` look through `features`; `cmmd` through its
            published CLIP, or through `features` where that is one of OFFLINE; `is` through Inception.
        features: of FEATURES.
        resize: Inception's.
        clips: for `clip_score`, MODEL/TAG of open_clip or a checkpoint of a small CLIP; none = SCORER.

    Raises:
        UsageError: if a word is unknown, or an option changes nothing or the meaning of a name.
    """
    if not words:
        raise UsageError(f"no metric is named. There are {', '.join(WORDS)}.")
    for word in words:
        if word not in WORDS:
            raise UsageError(f"no metric {word!r}{nearest(word, WORDS)}. There are {', '.join(WORDS)}.")
    if "fid" in words and features != "inception":
        raise UsageError(
            f"only Inception's Frechet distance is a FID. With --features {features} ask for fd, which is named after it."
        )
    if clips and "clip_score" not in words:
        raise UsageError("--clip names the networks of clip_score, which --metrics does not ask for.")
    if resize != "clean" and features != "inception" and "is" not in words:
        raise UsageError(f"--resize is Inception's, and does nothing with --features {features}.")
    network = network_of(features, resize=resize)
    found = [_metric(word, network, resize) for word in words if word != "clip_score"]
    if "clip_score" in words:
        found += [Metric("clip_score", clip_of(clip)) for clip in clips or (SCORER,)]
    return list(dict.fromkeys(found))


def network_of(features: str, *, resize: InceptionResize = "clean") -> FeaturesConfig:
    """The network of a word of FEATURES.

    Raises:
        UsageError: if there is no such word.
    """
    if features in OFFLINE:
        return OFFLINE[features]
    if features not in FEATURES:
        raise UsageError(
            f"no feature network {features!r}{nearest(features, FEATURES)}. There are {', '.join(FEATURES)}."
        )
    known: dict[str, FeaturesConfig] = {"dinov2": DinoFeaturesConfig(), "clip": CLIP_FID}
    return known.get(features) or InceptionConfig(resize=resize)


def clip_of(text: str) -> ScorerConfig:
    """MODEL/TAG, or a checkpoint of a small CLIP -> its section.

    Raises:
        UsageError: if it is neither.
    """
    if text.startswith("embedded:") or Path(text).is_file():
        return SmallClipFeaturesConfig(checkpoint=text)
    model, _, tag = text.partition("/")
    if not tag:
        raise UsageError(
            f"--clip {text!r}: give MODEL/TAG of open_clip, as in {SCORER}, or the checkpoint of a small CLIP, as in "
            "embedded:shapes_scorer."
        )
    return ClipFeaturesConfig(model=model, pretrained=tag)


def check_weights(metrics: Sequence[Metric]) -> None:
    """Fail now rather than after hours if a network's weights are not on this machine; none is loaded.

    Raises:
        WeightsError: naming the file, its source and the networks that need none.
    """
    with offline_advice():
        for network in dict.fromkeys(metric.network for metric in metrics):
            if isinstance(network, InceptionConfig):
                verify_archive(network)
            elif isinstance(network, DinoFeaturesConfig):
                weights.timm_file(network.model, network.weights)
            elif isinstance(network, ClipFeaturesConfig) and network.pretrained:
                weights.open_clip_file(network.model, network.pretrained, quick_gelu=network.quick_gelu)


@contextmanager
def offline_advice() -> Iterator[None]:
    """Add to an error about weights which networks every machine has."""
    try:
        yield
    except WeightsError as error:
        raise WeightsError(
            f"{error} Without weights there are --features {', '.join(OFFLINE)} (their distances are no FID) and "
            "--clip embedded:shapes_scorer."
        ) from error


def _metric(word: str, network: FeaturesConfig, resize: InceptionResize) -> Metric:
    if word in ("fid", "fd"):
        return Metric("frechet", network)
    if word == "fd_dinov2":
        return Metric("frechet", DinoFeaturesConfig())
    if word == "cmmd":
        return Metric("cmmd", network if network in OFFLINE.values() else CMMD)
    if word == "is":
        return Metric("is", InceptionConfig(resize=resize))
    return Metric("kid" if word == "kid" else "prdc", network)
