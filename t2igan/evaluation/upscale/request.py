"""What `t2igan eval upscale` is asked for, and the recipe that follows from it and the model. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from t2igan.evaluation.upscale.recipe import LARGEST_PATCH, Recipe, Shrink
from t2igan.upscaler.model import Upscaler


@dataclass(frozen=True)
class UpscaleEvalRequest:
    """What is asked for.

    Attributes:
        data: as `originals` reads it.
        model: an upsampler; None = the one inside the package.
        resolution: side of the originals in pixels; None = what the model was trained to give.
        scale: the model's own, or a power of it; None = its own.
        count: the first pictures; None = all, or 1000 shapes.
        shrink: how they are made small.
        border: pixels that PSNR and SSIM leave out; None = `scale`, as papers do.
        patch: side of a patch in pixels; None = half a picture's, 299 at most.
        patches: of each picture.
        features: network of patches, as `find_features` reads it.
        perceptual: distance, as `find_perceptual` reads it.
        tile: side of the model's tiles in pixels of the small picture.
        has_noise: whether the model adds the noise that it was trained with.
        seed: see `Recipe`.
        batch: pictures at once.
        device: cpu, cuda, mps or auto.
        cache: folder of rows, which a killed evaluation goes on with.
    """

    data: str
    model: str | None = None
    resolution: int | None = None
    scale: int | None = None
    count: int | None = None
    shrink: Shrink = "area"
    border: int | None = None
    patch: int | None = None
    patches: int = 4
    features: str = "auto"
    perceptual: str = "auto"
    tile: int | Literal["auto"] = "auto"
    has_noise: bool = True
    seed: int = 0
    batch: int = 8
    device: str = "auto"
    cache: Path = Path("out/eval-cache")

    def recipe(self, model: Upscaler) -> Recipe:
        """What is asked for, with everything that the model decides.

        Raises:
            UsageError: for sizes that cannot be.
        """
        scale = self.scale or model.G.scale
        resolution = self.resolution or model.G.img_resolution * scale
        recipe = Recipe(
            resolution,
            scale,
            shrink=self.shrink,
            border=scale if self.border is None else self.border,
            patch=self.patch or min(max(resolution // 2, 1), LARGEST_PATCH),
            patches=0 if self.features == "none" else self.patches,
            seed=self.seed,
        )
        recipe.check()
        return recipe
