"""Where training data comes from, as recipe sections. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from t2igan.config import Config


class ShardsConfig(Config):
    """webdataset shards: tar files of image + .txt caption (+ .json)."""

    kind: Literal["shards"] = "shards"
    """Kind of source."""
    shards: str
    """Folder, glob, brace pattern (`x/{00000..00331}.tar`) or tar file."""
    shuffle: bool = True
    """Shuffle shards and the samples within them, anew every epoch."""
    cache: bool = False
    """Keep decoded images in memory after the first epoch: for sets that fit."""
    max_pixels: int = Field(default=178_956_970, ge=64)
    """Images with more pixels are skipped, judged by their header before decoding."""
    max_bad_fraction: float = Field(default=0.2, ge=0, le=1)
    """Training stops with an error when more samples than this cannot be read."""


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
