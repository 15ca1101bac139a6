"""How pictures are made small and compared, as data: every choice that moves a number of `eval upscale`. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from t2igan.errors import UsageError
from t2igan.evaluation.preparation import Preparation

Shrink = Literal["area", "bicubic"]
SHRINKS: dict[Shrink, str] = {
    "area": "means of whole squares of pixels",
    "bicubic": "Pillow's antialiased bicubic",
}
WINDOW = 11  # px, of SSIM
LARGEST_PATCH = 299  # px; Inception sees it without a resize


@dataclass(frozen=True)
class Recipe:
    """Choices.

    Attributes:
        resolution: side of the originals, in pixels.
        scale: factor by which they are made small, and enlarged again.
        shrink: how they are made small.
        border: pixels at each edge that PSNR and SSIM leave out.
        patch: side of a patch, in pixels.
        patches: of each picture; 0 = no distance of patches.
        seed: of latents, input noise, places of patches and bootstraps.
    """

    resolution: int
    scale: int
    shrink: Shrink = "area"
    border: int = 0
    patch: int = LARGEST_PATCH
    patches: int = 4
    seed: int = 0

    def check(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UsageError: naming the option.
        """
        if self.resolution % self.scale or self.resolution // self.scale < 1:
            raise UsageError(
                f"--resolution {self.resolution}: pictures are shrunk {self.scale} times, so give a multiple of {self.scale}."
            )
        if self.border < 0 or self.resolution - 2 * self.border < WINDOW:
            raise UsageError(
                f"--resolution {self.resolution}, --border {self.border}: SSIM's window of {WINDOW} px does not fit into "
                "what is left. Give larger pictures or a smaller border."
            )
        if self.patches and not 1 <= self.patch <= self.resolution:
            raise UsageError(
                f"--patch {self.patch}: patches are cut out of pictures of {self.resolution} px. Give 1 to {self.resolution}."
            )

    def check_count(self, count: int) -> None:
        """Refuse too few pictures for a distance of patches.

        Raises:
            UsageError: naming both counts.
        """
        if self.patches and count * self.patches < 2:
            raise UsageError(
                f"{count} picture with --patches {self.patches}: too few patches, as a Frechet distance needs two at the "
                "very least and means something from thousands. Give more pictures or patches, or --features none."
            )

    def lines(self) -> list[str]:
        """For people, a line a choice."""
        side, small = self.resolution, self.resolution // self.scale
        patches = f"patches: {self.patches} of {self.patch} x {self.patch} px a picture, at the same random places of all methods"
        return [
            f"originals: {Preparation(side).text}, unless rendered at that size; bytes",
            f"made small: {small} px by {SHRINKS[self.shrink]} ({self.shrink}); bytes",
            f"enlarged: {self.scale} times, to bytes; bicubic and lanczos are Pillow's",
            f"PSNR: peak 255, mean of the pictures' decibels; Y = BT.601, 16 .. 235; border of {self.border} px left out",
            f"SSIM: of Y, Gaussian window {WINDOW} x {WINDOW} sigma 1.5, full size; border of {self.border} px left out",
            "consistency: PSNR (RGB) of the enlarged, made small again the same way, against the small; no border",
            *([patches] if self.patches else []),
            f"seed {self.seed}: latent, noise and places are drawn from it and the bytes of the small picture",
        ]  # fmt: skip
