"""One shard -> its text embeddings, unless an earlier run has written them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from t2igan.curate.embed.encode import encode
from t2igan.curate.embed.sidecar import (
    FORMAT,
    TOKENS,
    read_front,
    sidecar_name,
    why_unfit,
    write_sidecar,
)
from t2igan.curate.embed.texts import Captions, hash_texts, read_texts
from t2igan.curate.freshness import is_newer, touch
from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.data.sidecar import EMBED, OFFSETS
from t2igan.errors import DataError, UsageError
from t2igan.tensor_file import Layout
from t2igan.text import CONDITIONERS, build_conditioner
from t2igan.text.config import ConditionerConfig
from t2igan.types import Conditioner


@dataclass(frozen=True)
class EmbedTask:
    """Which shard, and where its embeddings go."""

    shard: Shard
    out: Folder
    stem: str  # of the file

    def __str__(self) -> str:
        return self.shard.where


@dataclass(frozen=True)
class Embedded:
    """What a shard's sidecar holds."""

    fingerprint: str
    samples: int
    captions: int
    without: int  # samples of which no caption can be read
    is_new: bool  # written now, not by an earlier run


@dataclass(frozen=True)
class MakeEmbedder:
    """What an engine's workers are made with."""

    conditioner: ConditionerConfig
    has_tokens: bool
    batch: int

    def __call__(self, worker: int) -> ShardEmbedder:
        """The embedder of one worker, on a GPU of its own where there are some."""
        gpus = torch.cuda.device_count()
        if not gpus:
            torch.set_num_threads(1)  # sums are then taken in one order, whatever the number of workers
        built = build_conditioner(self.conditioner, device=f"cuda:{worker % gpus}" if gpus else "cpu")
        return ShardEmbedder(built, has_tokens=self.has_tokens, batch=self.batch)


class ShardEmbedder:
    """Embeds the captions of shards, one after the other.

    Args:
        conditioner: the text encoder.
        has_tokens: also keep the features of every token.
        batch: captions that the encoder sees at once.

    Raises:
        UsageError: if the encoder has no such features.
    """

    def __init__(self, conditioner: Conditioner, *, has_tokens: bool, batch: int) -> None:
        self.conditioner = conditioner
        self.has_tokens = has_tokens
        self.batch = batch
        if has_tokens and conditioner(["a"]).tokens is None:
            raise UsageError(f"--tokens: the encoder {conditioner.config.kind} gives one embedding a caption and no features "
                             f"of tokens, and so does every encoder of this version ({', '.join(CONDITIONERS.names())}). "
                             "Leave --tokens out.")  # fmt: skip

    @cached_property
    def fingerprint(self) -> str:
        """Of the encoder; hashing its weights takes a second."""
        return self.conditioner.fingerprint

    def __call__(self, task: EmbedTask) -> Embedded:
        """Write the sidecar of one shard, unless it is there and fits.

        Raises:
            DataError: if the shard cannot be read or the file cannot be written.
        """
        name = sidecar_name(task.stem, self.fingerprint)
        done = self._done(task, name)
        if done is not None:
            return done
        with task.shard.folder.fetched(task.shard.name) as path:
            texts, size = read_texts(path), path.stat().st_size
        tensors = encode(self.conditioner, texts, batch=self.batch, has_tokens=self.has_tokens)
        metadata = self._metadata(texts, size)
        with task.out.writing(name) as target:
            write_sidecar(target, tensors, metadata)
        return _summary(metadata, is_new=True)

    def _done(self, task: EmbedTask, name: str) -> Embedded | None:
        """What an earlier run wrote, if it is what is asked for now."""
        if not task.out.has(name):
            return None
        try:
            layout = read_front(task.out, name)
            if why_unfit(layout, task.stem, name, task.shard.folder.size(task.shard.name)):
                return None
            if is_newer(task.shard, task.out, name):
                if not _has_same_texts(task.shard, layout):
                    return None
                touch(task.out, name)
            found = _summary(layout.strings, is_new=False)
        except (DataError, KeyError, ValueError):
            return None
        has_rows = layout.tensors[EMBED].shape == (found.captions, self.conditioner.dim)
        is_whole = has_rows and layout.tensors[OFFSETS].shape == (found.samples + 1,)
        return found if is_whole and (not self.has_tokens or TOKENS in layout.tensors) else None

    def _metadata(self, texts: list[Captions], input_bytes: int) -> dict[str, str]:
        config = self.conditioner.config.model_dump(mode="json")
        return {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "conditioner": json.dumps(config, sort_keys=True),
            "count": str(len(texts)),
            "rows": str(sum(map(len, texts))),
            "without_caption": str(sum(not captions for captions in texts)),
            "input_bytes": str(input_bytes),
            "caption_hash": hash_texts(texts),
        }


def _has_same_texts(shard: Shard, layout: Layout) -> bool:
    with shard.folder.fetched(shard.name) as path:
        return hash_texts(read_texts(path)) == layout.strings.get("caption_hash")


def _summary(metadata: Mapping[str, str], *, is_new: bool) -> Embedded:
    samples, captions, without = (int(metadata[name]) for name in ("count", "rows", "without_caption"))
    return Embedded(metadata["fingerprint"], samples, captions, without, is_new)
