"""What `t2igan eval coco` is asked for, and which requests contradict themselves. Reads no file but to see that it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from t2igan.errors import UsageError
from t2igan.evaluation.choice import clip_of, network_of
from t2igan.evaluation.coco.protocols import Protocol, find_protocol
from t2igan.evaluation.metric import Metric

LEAST = 8  # px


@dataclass(frozen=True)
class CocoRequest:
    """What is asked for.

    Attributes:
        coco: folder with annotations/ and the pictures' folder.
        model: checkpoint; None = the embedded model, unless `images` are given.
        protocol: a name of PROTOCOLS.
        resolution: in pixels; None = the protocol's first.
        psi: truncation.
        n: pictures; None = the protocol's count, or all `images`.
        seed: of the first picture, and of draws with replacement.
        features: `inception`, or another network for trying out.
        clip: MODEL/TAG, a small CLIP's checkpoint, or none; None = the protocol's.
        images: folder or zip of pictures that were drawn elsewhere, instead of a model.
        captions: a text file with a caption a line: of `images`, or to draw, where the protocol takes captions.
        out: folder of coco.json and captions.txt.
        cache: folder of features; None = a folder in `out`.
        device: cpu, cuda, mps or auto.
        batch: pictures at once.
    """

    coco: Path
    model: str | None = None
    protocol: str = "clean30k"
    resolution: int | None = None
    psi: float = 1.0
    n: int | None = None
    seed: int = 0
    features: str = "inception"
    clip: str | None = None
    images: Path | None = None
    captions: Path | None = None
    out: Path = Path("out/eval-coco")
    cache: Path | None = None
    device: str = "auto"
    batch: int = 64

    @property
    def recipe(self) -> Protocol:
        """The protocol.

        Raises:
            UsageError: if there is none of that name.
        """
        return find_protocol(self.protocol)

    @property
    def side(self) -> int:
        """Of the pictures that are compared, in pixels."""
        return self.resolution or self.recipe.sizes[0]

    def check(self) -> None:
        """Refuse options that contradict each other, or do nothing.

        Raises:
            UsageError: naming them.
        """
        if self.side < LEAST or (self.n is not None and self.n < 2) or self.batch < 1:
            raise UsageError(
                f"--resolution must be {LEAST} or more, --count 2 or more, and --batch 1 or more."
            )
        if self.images is not None:
            self._check_images()
        elif self.captions is not None and not self.recipe.takes_captions:
            raise UsageError(
                f"protocol {self.protocol} chooses its own captions. --captions belongs to --images, or to --protocol gigagan."
            )

    def metrics(self) -> tuple[Metric, ...]:
        """The distance, then the CLIP score if one is wanted.

        Raises:
            UsageError: if a network is unknown.
        """
        inception = self.features == "inception"
        network = self.recipe.features() if inception else network_of(self.features)
        distance = Metric("frechet", network)
        if self.clip == "none":
            return (distance,)
        clip = self.recipe.clip if self.clip is None else clip_of(self.clip)
        return distance, Metric("clip_score", clip, self.recipe.pairs)

    def _check_images(self) -> None:
        if self.model is not None:
            raise UsageError("--model draws pictures, and --images are drawn already. Give one of them.")
        if self.psi != 1:
            raise UsageError("--psi is a model's, and --images are drawn already. Leave it out.")
        if self.captions is None and self.clip != "none":
            raise UsageError(
                "a CLIP score compares pictures with captions. Give --captions FILE, a caption a line, or --clip none."
            )
