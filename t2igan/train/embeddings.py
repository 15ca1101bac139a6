"""Whether a stage reads text embeddings that were computed beforehand, and what the log says about it. Reads no row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from t2igan.data.config import DataConfig, ShardsConfig
from t2igan.data.shard_files import has_urls
from t2igan.data.shards import find_shards
from t2igan.data.sidecar import has_any_sidecar, why_not
from t2igan.errors import DataError
from t2igan.train.state import TrainState


@dataclass(frozen=True)
class Embeddings:
    """What a stage's loader reads beside the images."""

    fingerprint: str | None  # of the conditioner whose sidecars are read; None = the text encoder runs
    line: str | None  # for the log; None where there is nothing to say


def choose_embeddings(data: DataConfig, state: TrainState) -> Embeddings:
    """Find out whether the loader's embeddings can stand in for the conditioner.

    Its fingerprint, which may cost a second, is asked for only where a shard has embeddings.

    Raises:
        DataError: if they cannot and `data.embeddings` is `require`, or the data is missing.
    """
    if not isinstance(data, ShardsConfig) or data.embeddings == "off":
        return Embeddings(None, None)
    if has_urls(data):
        if data.embeddings == "require":
            raise DataError("data.embeddings is require, but text embeddings are only read beside local shards, not behind "
                            "URLs. Copy the shards here, or set data.embeddings to auto.")  # fmt: skip
        return Embeddings(None, None)
    sets = [find_shards(source.shards, resolution=state.resolution) for source in data.sources]
    shards = [shard for found in sets for shard in found]
    has_any = has_any_sidecar(shards)
    reason = _why_not(shards, state) if has_any else "no shard has any"
    if reason and data.embeddings == "require":
        raise DataError(f"data.embeddings is require, but text embeddings cannot be used: {reason}. Run `t2igan data "
                        "embed` with this recipe's conditioner, or set data.embeddings to auto.")  # fmt: skip
    if reason:
        line = f"text embeddings: those beside the shards are not used: {reason}" if has_any else None
        return Embeddings(None, line)
    fingerprint = state.conditioner.fingerprint
    line = (
        f"text embeddings: read from beside the shards, made by {fingerprint}; training runs no text encoder"
    )
    return Embeddings(fingerprint, line)


def _why_not(shards: list[Path], state: TrainState) -> str:
    """Why the embeddings beside the shards cannot be used; empty if they can."""
    if "T" in state.networks:
        return "this stage trains the text encoder, or goes on with the trained one, which reads token ids"
    c = state.conditioner(["a"])
    if c.embed is None or c.tokens is not None:
        return "the networks read tokens, and not only an embedding of the whole caption"
    return why_not(shards, state.conditioner.fingerprint)
