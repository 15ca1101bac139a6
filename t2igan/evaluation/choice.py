"""From the words of a command line to metrics: which number, through which network. Loads no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from t2igan import weights
from t2igan.curate.clip_choice import parse_clip
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
FEATURES: dict[str, FeaturesConfig] = {
    "inception": InceptionConfig(),
    "dinov2": DinoFeaturesConfig(),
    "clip": ClipFeaturesConfig(model="ViT-B-32", pretrained="openai"),  # clean-fid's CLIP-FID
    "small_clip": SmallClipFeaturesConfig(),
    "judge": JudgeFeaturesConfig(),
    "random_conv": RandomConvFeaturesConfig(),
}
OFFLINE = ("judge", "small_clip", "random_conv")  # kinds that need no weights from elsewhere
CMMD = ClipFeaturesConfig(model="ViT-L-14-336", pretrained="openai")  # the published one
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
            published CLIP, or through `features` where that is of OFFLINE; `is` through Inception.
        features: as `network_of` reads it.
        resize: Inception's.
        clips: for `clip_score`, as `clip_of` reads them; none = SCORER.

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
    _check_names(found)
    return list(dict.fromkeys(found))


def network_of(features: str, *, resize: InceptionResize = "clean") -> FeaturesConfig:
    """What `--features` names: a word of FEATURES, and after a colon its CLIP (clip:MODEL/TAG) or checkpoint (judge:FILE).

    Raises:
        UsageError: if there is no such network.
    """
    kind, _, detail = features.partition(":")
    if kind not in FEATURES:
        raise UsageError(
            f"no feature network {kind!r}{nearest(kind, FEATURES)}. There are {', '.join(FEATURES)}."
        )
    if not detail:
        return InceptionConfig(resize=resize) if kind == "inception" else FEATURES[kind]
    if kind == "clip":
        return clip_of(detail)
    if kind in ("judge", "small_clip"):
        return type(FEATURES[kind]).model_validate({"checkpoint": detail})
    raise UsageError(f"--features {features}: {kind} takes nothing after a colon.")


def clip_of(text: str) -> ScorerConfig:
    """What `--clip` names: MODEL/TAG of open_clip, or a checkpoint of a small CLIP.

    Raises:
        UsageError: if it is neither.
    """
    return parse_clip(text)


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


def _check_names(metrics: Sequence[Metric]) -> None:
    names = Counter(metric.name for metric in dict.fromkeys(metrics))
    for name, count in names.items():
        if count > 1:
            raise UsageError(f"{count} networks would share the name {name}. Measure by one after the other.")


def _metric(word: str, network: FeaturesConfig, resize: InceptionResize) -> Metric:
    if word in ("fid", "fd"):
        return Metric("frechet", network)
    if word == "fd_dinov2":
        return Metric("frechet", DinoFeaturesConfig())
    if word == "cmmd":
        return Metric("cmmd", network if network.kind in OFFLINE else CMMD)
    if word == "is":
        return Metric("is", InceptionConfig(resize=resize))
    return Metric("kid" if word == "kid" else "prdc", network)
