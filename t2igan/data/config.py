"""Where training data comes from, as recipe sections. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from t2igan.config import Config


class SourceConfig(Config):
    """One set of shards of a mix."""

    shards: str
    """Folder, glob, brace pattern or tar file, as `data.shards`."""
    weight: float = Field(default=1.0, gt=0, le=1e6)
    """Share of the samples, relative to the other weights; how many shards there are does not matter."""


class ShardsConfig(Config):
    """webdataset shards: tar files of image + .txt caption (+ .json)."""

    kind: Literal["shards"] = "shards"
    """Kind of source."""
    shards: str | Annotated[tuple[SourceConfig, ...], Field(min_length=1)]
    """Folder, glob, brace pattern (`x/{00000..00331}.tar`) or tar file; or a list of sources with weights. `{resolution}`
    stands for the resolution of the stage, in pixels."""
    shuffle: bool = True
    """Shuffle shards and the samples within them, anew every epoch."""
    cache: bool = False
    """Keep decoded images in memory after the first epoch: for sets that fit."""
    cache_dir: str | None = None
    """Folder for copies of shards whose patterns are URLs (s3://, gs://, hf://, https://, file://, ...): fetched whole when
    they are first needed. null = URLs are refused."""
    cache_gb: float = Field(default=100.0, gt=0)
    """Room in that folder, in GB; the least recently used shards go. Each process reads from up to 16 at a time."""
    decode: Literal["fast", "exact"] = "fast"
    """`fast`: simplejpeg where it is installed and torch's Lanczos filter where torch has it, for up to twice as many
    images a second; a pixel of 0 to 255 differs by 0.1 on average at most. `exact`: Pillow alone."""
    embeddings: Literal["auto", "off", "require"] = "auto"
    """Text embeddings that `t2igan data embed` wrote beside the shards: `auto` reads them where every shard has those of
    this recipe's conditioner and nothing trains the text encoder, `require` stops where it cannot, `off` never does."""
    max_pixels: int = Field(default=178_956_970, ge=64)
    """Images with more pixels are skipped, judged by their header before decoding."""
    max_bad_fraction: float = Field(default=0.2, ge=0, le=1)
    """Training stops with an error when more samples than this cannot be read."""

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The sets of shards, a single one too."""
        return (SourceConfig(shards=self.shards),) if isinstance(self.shards, str) else self.shards


class ShapesConfig(Config):
    """The embedded captioned data set, rendered on the fly and infinite."""

    kind: Literal["shapes"] = "shapes"
    """Kind of source."""
    scenes: Literal["single", "pair", "both"] = "both"
    """One object a scene, two, or a mix."""
    pair_fraction: float = Field(default=0.5, ge=0, le=1)
    """Share of two-object scenes when scenes is both."""
    combinations: Literal["seen", "held_out", "all"] = "seen"
    """Which colour-shape pairs appear; training shows only the seen ones."""
    captions: Literal["full", "mixed"] = "mixed"
    """`full` names every attribute; `mixed` leaves some unsaid in a part of the captions, as people do."""
    twins: bool = False
    """Every second two-object scene is the one before with colours, shapes, sizes or places exchanged. A contrastive
    text encoder that sees both in one batch must learn what belongs to what."""


DataConfig = Annotated[ShardsConfig | ShapesConfig, Field(discriminator="kind")]
