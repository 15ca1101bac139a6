"""The four recipes that are all called "COCO FID", as data. What they choose and measure is done elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from t2igan.errors import UsageError, nearest
from t2igan.evaluation.metric import Metric
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.probes import PairRecipe
from t2igan.metrics.config import ClipFeaturesConfig, FeaturesConfig, InceptionConfig, InceptionResize
from t2igan.types import NoiseMode

CaptionRule = Literal["listed", "drawn_again"]
VIA = 256  # px
RULES: dict[CaptionRule, str] = {
    "listed": "one caption an image, images without repeats; the order and the captions by numpy's RandomState(0) over "
    "sorted ids",
    "drawn_again": "one random caption an image is kept, and the captions are drawn from these with replacement, by "
    "numpy's RandomState(seed) over sorted ids",
}
OPEN_CLIP_WAY = PairRecipe(images="open_clip")
G14 = ClipFeaturesConfig(model="ViT-g-14", pretrained="laion2b_s12b_b42k")


@dataclass(frozen=True)
class Protocol:
    """A recipe.

    Attributes:
        id: its name.
        split: of MS-COCO.
        num_images: in that split.
        count: pictures that are drawn.
        sizes: resolutions that it is defined for; the first is the default.
        captions: how they are chosen.
        resize: of pictures to Inception's 299 px.
        ddof: of covariances.
        noise: of layers.
        is_twice: whether the reference below 256 px is shrunk by way of 256.
        is_native: whether it is defined only for models that draw at the measured resolution.
        takes_captions: whether captions may come from a file, as in the paper.
        pairs: how the CLIP score prepares pictures and captions.
        differs: where our run of it departs from the paper's, or the paper leaves it open.
    """

    id: str
    split: str
    num_images: int
    count: int
    sizes: tuple[int, ...]
    captions: CaptionRule = "listed"
    resize: InceptionResize = "clean"
    ddof: int = 1
    noise: NoiseMode = "const"
    is_twice: bool = False
    is_native: bool = False
    takes_captions: bool = False
    pairs: PairRecipe = OPEN_CLIP_WAY
    clip: ClipFeaturesConfig = G14
    differs: tuple[str, ...] = ()

    def reference(self, resolution: int) -> Preparation:
        """What is done to the real pictures."""
        via = VIA if self.is_twice and resolution < VIA else None
        return Preparation(resolution, by_way_of=via, may_enlarge=True)

    def features(self) -> FeaturesConfig:
        """The network that makes it a FID."""
        return InceptionConfig(resize=self.resize)

    def recipe(self, resolution: int) -> str:
        """Every choice that moves the number, a line each; without seed and truncation, which are the run's."""
        lines = (
            f"protocol {self.id}, {resolution} px",
            f"captions: {self.count} of MS-COCO {self.split}; {RULES[self.captions]}",
            f"reference: all {self.num_images} pictures of {self.split}; {self.reference(resolution).text}; bytes",
            "drawn: picture i from caption i and seed + i, averaged weights, rounded to bytes; larger ones "
            f"{Preparation(resolution).text}",
            f"layer noise: {self.noise}",
            f"features: Inception of 2015, pool3; to 299 px by {self.resize}",
            f"distance: Frechet in float64, covariance with ddof {self.ddof}",
            f"CLIP score: {self.clip.model} {self.clip.pretrained}, {self.pairs.text}, mean cosine",
        )
        return "\n".join(lines)


def recipe_hash(recipe: str) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


PROTOCOLS = {
    protocol.id: protocol
    for protocol in (
        Protocol("clean30k", "val2014", 40_504, 30_000, (256, 64)),
        Protocol(
            "stylegan-t",
            "val2014",
            40_504,
            30_000,
            (256, 64),
            captions="drawn_again",
            resize="legacy_tensorflow",
            ddof=0,
            noise="random",
            is_twice=True,
            is_native=True,
            pairs=PairRecipe(images="bicubic_no_antialias"),
            differs=("the paper's draws of captions have no seed; ours have",),
        ),
        Protocol(
            "gigagan",
            "val2014",
            40_504,
            30_000,
            (256,),
            noise="const",
            takes_captions=True,
            pairs=PairRecipe(images="open_clip", prefix="A photo depicts "),
            differs=(
                "the paper's list of captions is not known here: give it with --captions, or ours is taken",
                "the paper rounds pictures by (x + 1) * 127.5, half a grey level below ours",
                "the paper names ViT-G/14; its code loads ViT-g-14, which is taken",
            ),
        ),
        Protocol(
            "val2017-5k",
            "val2017",
            5_000,
            5_000,
            (512, 256),
            differs=("papers leave open which caption of an image they take, and the size of the reference",),
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        UsageError: if there is none.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"no protocol {name!r}{nearest(name, PROTOCOLS)}. There are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def is_genuine(metric: Metric) -> bool:
    """Whether a distance is a FID: by the Inception of 2015 and no other network."""
    return metric.kind == "frechet" and metric.name in ("fid", "fid_legacy_tensorflow")
