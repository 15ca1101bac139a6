"""What is measured of samples, and which of them are kept: the settings of `t2igan data`. Torch-free."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from t2igan.config import Config
from t2igan.metrics.config import ClipFeaturesConfig, ScorerConfig

Share = Annotated[float, Field(ge=0, le=1)]
Duplicates = Literal["exact", "phash", "embedding", "caption"]
EMBEDDED = "embedded:"
SNAPSHOTS = "snapshots"  # folder of a run in which its networks lie
FILES = (".json", ".pt", ".pth", ".bin", ".safetensors")
MAX_PIXELS = 178_956_970  # Pillow's own limit


class HeadConfig(Config):
    """A linear head on the CLIP image embeddings, from a local weights file."""

    kind: Literal["aesthetic", "watermark", "nsfw"] = "aesthetic"
    """What it predicts; watermark and nsfw are probabilities."""
    weights: str
    """Path of the file: .pth, .pt or .safetensors."""
    name: str = "v2"
    """Name of the column, as in `aesthetic:v2`."""


class ScoreConfig(Config):
    """Which measures are taken of every sample, beside header and caption facts that are always taken."""

    clip: ScorerConfig | None = None
    """CLIP whose cosine between image and caption is measured."""
    heads: tuple[HeadConfig, ...] = ()
    """Heads on the same CLIP's image embeddings."""
    embeddings: bool = False
    """Keep these embeddings, for duplicates that look alike to the CLIP."""
    phash: bool = False
    """Perceptual hash, for near duplicates."""
    language: bool = False
    """Language of the caption."""
    use_columns: bool = True
    """Take scores that the data carries (LAION, COYO, DataComp) instead of running a model."""
    decode: bool = True
    """Decode every image that the cheap rules keep, so that broken ones are found here and not in training."""
    batch: int = Field(default=64, ge=1)
    """Images that a CLIP sees at once."""
    max_pixels: int = Field(default=MAX_PIXELS, ge=64)
    """Larger images are refused by their header."""

    @model_validator(mode="after")
    def _embeddings_have_a_clip(self) -> ScoreConfig:
        if self.embeddings and self.clip is None:
            raise ValueError("embeddings are a CLIP's: name it as clip")
        return self


class Rules(Config):
    """Which samples are kept. A rule that is None, empty or false is not applied."""

    min_resolution: int | None = Field(default=None, ge=1)
    """Least shorter side in pixels."""
    max_aspect: float | None = Field(default=None, ge=1)
    """Largest ratio of the longer to the shorter side."""
    min_bytes: int | None = Field(default=None, ge=0)
    """Least size of the image file."""
    caption_words: tuple[int, int] | None = None
    """Least and most words of the cleaned caption."""
    caption_chars: tuple[int, int] | None = None
    """Least and most characters of the cleaned caption."""
    letters: bool = False
    """Drop captions without a letter."""
    max_repetition: Share | None = None
    """Largest share of words that repeat an earlier one."""
    languages: tuple[str, ...] = ()
    """ISO codes that are kept."""
    keep_unknown_language: bool = True
    """Keep captions too short to tell their language."""
    max_nsfw: Share | None = None
    """Largest probability of unsafe content."""
    max_watermark: Share | None = None
    """Largest probability of a watermark."""
    clip: str | None = None
    """The CLIP that min_clip and clip_top are meant for, as MODEL/TAG."""
    min_clip: float | None = Field(default=None, ge=-1, le=1)
    """Least cosine of image and caption."""
    clip_top: float | None = Field(default=None, gt=0, le=1)
    """Share of all usable samples that is kept, those with the highest cosine."""
    aesthetic: str | None = None
    """The head that min_aesthetic is meant for, as in v1 or v2."""
    min_aesthetic: float | None = None
    """Least aesthetic score."""
    dedup: tuple[Duplicates, ...] = ()
    """Keep one of samples with equal image bytes, near perceptual hashes, near embeddings, or equal captions."""
    phash_distance: int = Field(default=4, ge=0, le=10)
    """Bits in which perceptual hashes of near duplicates differ at most."""
    embedding_similarity: float = Field(default=0.95, gt=0, lt=1)
    """Least cosine of the image embeddings of semantic duplicates."""
    missing: Literal["drop", "keep"] = "drop"
    """What becomes of a sample for which a needed score is not known."""


def clip_name(clip: ScorerConfig) -> str:
    """The name under which a CLIP's cosines are kept, as in `clip:ViT-L-14/openai`; of a run's network, RUN-KIMG."""
    if isinstance(clip, ClipFeaturesConfig):
        return f"{_stem(clip.model)}/{_stem(clip.pretrained or 'random')}"
    if clip.checkpoint.startswith(EMBEDDED):
        return clip.checkpoint
    path = PurePath(clip.checkpoint)
    return f"{path.parent.parent.name}-{path.stem}" if path.parent.name == SNAPSHOTS else path.stem


def _stem(name: str) -> str:
    """A name as it is; of a path, the file's name without its suffix."""
    return PurePath(name).stem if PurePath(name).suffix in FILES else name


def head_column(head: HeadConfig) -> str:
    """The column of a head, as in `aesthetic:v2` or `watermark`."""
    return f"aesthetic:{head.name}" if head.kind == "aesthetic" else head.kind


def embedding_column(config: ScoreConfig) -> str | None:
    """The column that says which embeddings are kept, as in `embedding:ViT-L-14/openai`; None if they are not asked for."""
    return f"embedding:{clip_name(config.clip)}" if config.clip and config.embeddings else None


def score_columns(config: ScoreConfig) -> list[str]:
    """The measured columns that a setting asks for."""
    clip = [f"clip:{clip_name(config.clip)}"] if config.clip else []
    clip += [column] if (column := embedding_column(config)) else []
    heads = [head_column(head) for head in config.heads]
    return ["language"] * config.language + ["phash"] * config.phash + clip + heads
