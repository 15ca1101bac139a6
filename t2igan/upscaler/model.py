"""Upscaler: from a checkpoint and images to larger images. The one upscaling path of CLI and notebooks; it trains nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from t2igan import checkpoint
from t2igan.checkpoint import Header, part
from t2igan.decode import decode_json
from t2igan.errors import UsageError
from t2igan.models import build_upsampler
from t2igan.models.config import UpsamplerConfig
from t2igan.text import build_conditioner
from t2igan.text.config import ConditionerConfig
from t2igan.tiles import Blend
from t2igan.types import Condition, Conditioner, Upsampler
from t2igan.upscaler.draws import SeededDraws
from t2igan.upscaler.place import place_of
from t2igan.upscaler.run import Progress
from t2igan.upscaler.tiling import Tiling, upscale_once


class Upscaled(NamedTuple):
    """Larger images, and what it took."""

    images: Tensor  # [N, 3, H scale, W scale] uint8 on the CPU
    tile: int  # side of the last pass's tiles, which memory may have made smaller
    overlap: int


@dataclass(frozen=True)
class Upscaler:
    """An upsampling network, with its text encoder if it reads text.

    >>> model = Upscaler.from_checkpoint("aurasr.safetensors")
    >>> model.upscale(image, seed=0)                       # uint8 [3, H, W] -> uint8 [3, 4 H, 4 W]
    """

    G: Upsampler
    conditioner: Conditioner | None
    header: Header
    fingerprint: str  # of the network's weights
    device: torch.device

    @classmethod
    def from_checkpoint(cls, path: str | Path, *, device: str | torch.device = "cpu") -> Upscaler:
        """Read a model.

        Args:
            path: a checkpoint of kind `upsampler`, or the name of one inside the package.
            device: where to run.

        Raises:
            CheckpointError: if the file is missing, damaged, or of another kind or format.
            WeightsError: if its text encoder is not on this machine.
        """
        place = place_of(path)
        header, tensors = checkpoint.read(place, kind="upsampler")
        source = f"header of {place}"
        config = decode_json(json.dumps(header.config), UpsamplerConfig, source=source)
        own = part(tensors, "G_ema")
        G = _bare(config, own, source=str(place))
        checkpoint.load_strictly(G, own, source=str(place))
        conditioner = None
        if G.c_dim:
            section = decode_json(json.dumps(header.conditioner), ConditionerConfig, source=source)
            conditioner = build_conditioner(section, part(tensors, "conditioner"), device=device)
        G.eval().requires_grad_(False).to(device)
        return cls(G, conditioner, header, checkpoint.fingerprint(own), torch.device(device))

    @property
    def reads_text(self) -> bool:
        """Whether a prompt says something to it."""
        return self.conditioner is not None

    def num_passes(self, scale: int | None) -> int:
        """How often it must run to enlarge by `scale`; None = once.

        Raises:
            UsageError: if no number of passes gives that scale.
        """
        passes, reached = 1, self.G.scale
        while scale is not None and reached < scale:
            passes, reached = passes + 1, reached * self.G.scale
        if scale is not None and reached != scale:
            raise UsageError(
                f"--scale {scale}: this model enlarges {self.G.scale} times, so it can do {self.G.scale}, "
                f"{self.G.scale**2}, {self.G.scale**3}, ... in one, two, three passes."
            )
        return passes

    def upscale(
        self,
        image: Tensor,
        *,
        seed: int | Sequence[int] = 0,
        prompt: str | Sequence[str] | None = None,
        scale: int | None = None,
        tile: int | Literal["auto"] = "auto",
        overlap: int | None = None,
        batch: int | None = None,
        blend: Blend = "feather",
        noise: bool = True,
        per_tile_z: bool = False,
        on_progress: Progress | None = None,
    ) -> Tensor:
        """Enlarge images. The same image in any batch of images and of tiles.

        Args:
            image: uint8 [3, H, W] or [N, 3, H, W].
            seed: of latent and noise; one for all images, or one each.
            prompt: what is seen, for a model that reads text; one for all images, or one each.
            scale: the model's own, or a power of it, which is as many passes; None = the model's own.
            tile: side of the tiles in pixels of the input, or `auto`; see `Tiling`.
            overlap: of neighbouring tiles; see `Tiling`.
            batch: tiles at once; see `Tiling`.
            blend: how tiles become one image; see `Tiling`.
            noise: whether the network adds the noise to its input that it was trained with.
            per_tile_z: a latent for every tile, as AuraSR does; slower, and neighbours may differ in style.
            on_progress: called with enlarged pixels that are done, and all of them.

        Returns:
            uint8 [3, H scale, W scale] or [N, 3, H scale, W scale] on the CPU.

        Raises:
            UsageError: for no such image, seed, scale or tiling, or text for a model that reads none.
            T2IGanError: if memory does not suffice, or the network's output is not finite.
        """
        images = image[None] if image.ndim == 3 else image
        found = self.run(
            images,
            Tiling(tile, overlap, batch, blend),
            seeds=[seed] * len(images) if isinstance(seed, int) else seed,
            prompts=[prompt] * len(images) if isinstance(prompt, str) else prompt,
            scale=scale,
            has_noise=noise,
            has_one_latent=not per_tile_z,
            on_progress=on_progress,
        )
        return found.images[0] if image.ndim == 3 else found.images

    def run(
        self,
        images: Tensor,
        tiling: Tiling,
        *,
        seeds: Sequence[int],
        prompts: Sequence[str] | None = None,
        scale: int | None = None,
        has_noise: bool = True,
        has_one_latent: bool = True,
        on_progress: Progress | None = None,
    ) -> Upscaled:
        """As `upscale`, for [N, 3, H, W] with a seed (and a prompt) each; also says which tiles were used."""
        tiling.check(self.G)
        passes, c = self.num_passes(scale), self._condition(prompts, len(images))
        _check(images, seeds)
        tile = overlap = 0
        for step in range(passes):
            draws = [SeededDraws(seed, self.G.z_dim, step, has_noise, has_one_latent) for seed in seeds]
            told = _part_of(on_progress, images.shape, self.G.scale, step, passes)
            images, tile, overlap = upscale_once(
                self.G, images, tiling, draws=draws, c=c, device=self.device, on_progress=told
            )
        return Upscaled(images, tile, overlap)

    def _condition(self, prompts: Sequence[str] | None, count: int) -> Condition | None:
        if self.conditioner is None:
            if prompts is not None:
                raise UsageError(
                    "this model reads no text, so a prompt says nothing to it. Leave --prompt out."
                )
            return None
        if prompts is not None and len(prompts) != count:
            raise UsageError(f"{count} images but {len(prompts)} prompts: give one for all, or one each.")
        return self.conditioner([""] * count if prompts is None else list(prompts))


def _bare(config: UpsamplerConfig, tensors: Mapping[str, Tensor], *, source: str) -> Any:
    """A network that waits for its tensors: without memory of its own, unless it has some that no file stores."""
    with torch.device("meta"):
        G = build_upsampler(config)
    stored = G.state_dict()
    if all(name in stored for name, _ in G.named_buffers()):
        return G
    checkpoint.check_fit(G, tensors, source=source)  # a header may describe a network that no memory holds
    return build_upsampler(config)


def _part_of(
    on_progress: Progress | None, shape: Sequence[int], scale: int, step: int, passes: int
) -> Progress | None:
    """Tiles of one pass -> enlarged pixels of all passes; `shape` is that of the pass's input."""
    if on_progress is None:
        return None
    own = shape[0] * shape[2] * shape[3] * scale**2
    sizes = [
        own * scale ** (2 * (i - step)) if i >= step else own // scale ** (2 * (step - i))
        for i in range(passes)
    ]
    return lambda done, total: on_progress(sum(sizes[:step]) + own * done // total, sum(sizes))


def _check(images: Tensor, seeds: Sequence[int]) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8 or 0 in images.shape:
        raise UsageError(
            f"images of shape {list(images.shape)} and type {images.dtype}: give uint8 [3, H, W] or [N, 3, H, W]."
        )
    if len(seeds) != len(images):
        raise UsageError(f"{len(images)} images but {len(seeds)} seeds: give one for all, or one each.")
    if any(not 0 <= seed < 2**63 for seed in seeds):
        raise UsageError("a seed is a whole number from 0 to 2^63 - 1.")
