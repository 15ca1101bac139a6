"""Originals -> rows: made small, enlarged by every method, measured, and cut into patches for a feature network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from t2igan import rng
from t2igan.evaluation.probes import FeatureProbe
from t2igan.evaluation.upscale.measures import measured
from t2igan.evaluation.upscale.methods import Method
from t2igan.evaluation.upscale.networks import Perceptual
from t2igan.evaluation.upscale.recipe import Recipe
from t2igan.evaluation.upscale.resampling import shrunk

CAPTIONED, REAL, PATCHES = "captioned", "real", ".patches"  # names of rows, beside those of the methods


class UpscaleProbe:
    """A `Probe` of originals.

    Its rows: `captioned` [N, 1]; of every method [N, len(COLUMNS)]; `real.patches` and METHOD.patches [N, patches x dim].
    What is random about a picture comes from the seed and the bytes of the small picture, so it does not depend on order,
    batch or number of processes.
    """

    needs_captions = False

    def __init__(
        self,
        methods: Sequence[Method],
        recipe: Recipe,
        *,
        features: FeatureProbe | None = None,
        perceptual: Perceptual | None = None,
    ) -> None:
        """Put it together; nothing is moved or drawn.

        Args:
            methods: ways to enlarge, each with a name of its own.
            recipe: everything else.
            features: of patches; None where the recipe has none.
            perceptual: a distance; None = none.
        """
        assert (features is None) == (recipe.patches == 0)
        self._methods, self._recipe = list(methods), recipe
        self._features, self._perceptual = features, perceptual
        self._device = torch.device("cpu")
        networks = [features.name if features else "", perceptual.text if perceptual else ""]
        self.name = "\n".join([*(method.text for method in methods), *networks])
        self.protocol = "\n".join([*recipe.lines(), features.protocol if features else ""])

    def to(self, device: str | torch.device) -> None:
        """Move the networks that measure; the one that enlarges stays where it is."""
        self._device = torch.device(device)
        if self._features is not None:
            self._features.to(device)
        if self._perceptual is not None:
            self._perceptual.net.to(device)

    def __call__(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """Originals [N, 3, R, R] uint8 and N captions, "" where none is known -> rows, see the class."""
        recipe = self._recipe
        low = shrunk(images, recipe.scale, by=recipe.shrink)
        names = [digest(image) for image in low]
        seeds = [seed_of(name, recipe.seed) for name in names]
        rows = {CAPTIONED: torch.tensor([[float(bool(caption.strip()))] for caption in captions])}
        rows |= self._patches(REAL, images, names)
        for method in self._methods:
            img = method(low, captions, seeds)
            rows[method.name] = measured(
                img, images, low, recipe=recipe, perceptual=self._perceptual, device=self._device
            )
            rows |= self._patches(method.name, img, names)
        return rows

    def _patches(self, name: str, images: Tensor, digests: Sequence[str]) -> dict[str, Tensor]:
        if self._features is None:
            return {}
        recipe = self._recipe
        cut = [
            image[:, top : top + recipe.patch, left : left + recipe.patch]
            for image, digest in zip(images, digests, strict=True)
            for top, left in corners(digest, recipe)
        ]
        found = self._features(torch.stack(cut), [""] * len(cut))["features"]
        return {name + PATCHES: found.reshape(len(images), -1)}


def digest(image: Tensor) -> str:
    """A name for the bytes of a picture [3, h, w]."""
    return hashlib.blake2b(image.contiguous().numpy().tobytes(), digest_size=16).hexdigest()


def seed_of(name: str, seed: int) -> int:
    """Of latent and input noise of a picture with that digest."""
    return rng.generator(seed, "upscale", name).initial_seed()


def corners(name: str, recipe: Recipe) -> list[tuple[int, int]]:
    """Top and left of the patches of a picture with that digest."""
    places = recipe.resolution - recipe.patch + 1
    found = torch.randint(
        0, places, (recipe.patches, 2), generator=rng.generator(recipe.seed, "patches", name)
    )
    return [(int(top), int(left)) for top, left in found]
