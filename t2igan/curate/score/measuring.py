"""Filling the measured columns of one shard: languages, perceptual hashes, and what networks say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from t2igan.ahead import in_order
from t2igan.curate.config import ScoreConfig, embedding_column, score_columns
from t2igan.curate.measures.language import detect
from t2igan.curate.measures.phash import hash_thumbnails
from t2igan.curate.score.facts import look_at
from t2igan.curate.score.pictures import Decoded, decode
from t2igan.curate.table import Origin, ScoreTable, make_table
from t2igan.data.tars import Salvage

if TYPE_CHECKING:
    from t2igan.curate.score.networks import Networks

MODEL_FREE = {"language": Origin("language", "py3langid"), "phash": Origin("phash", "64-bit DCT")}

HASHED = 512  # thumbnails at once


class Image(NamedTuple):
    """One image to be decoded."""

    row: int
    data: bytes
    caption: str
    is_seen: bool  # by the networks


class Measuring:
    """One pass over the pending samples of a shard; values that are known already stay."""

    def __init__(
        self, table: ScoreTable, config: ScoreConfig, networks: Networks | None, *, threads: int
    ) -> None:
        self.table = table
        self.config = config
        self.networks = networks
        self.threads = threads
        self.columns: dict[str, list[Any]] = {
            name: table.columns[name].to_pylist() for name in table.columns.column_names
        }
        self.asked = score_columns(config)
        for name in self.asked:
            self.columns.setdefault(name, [None] * len(table))
        self.by_network = [name for name in self.asked if name not in MODEL_FREE]
        self.vectors: dict[int, np.ndarray] = {}  # row -> float16 [D], the new ones
        self.filled: set[str] = set()  # columns with new values

    def run(self, path: Path, salvage: Salvage, pending: Iterable[int]) -> ScoreTable:
        """Measure the pending rows; the completed table."""
        images = self._images(path, salvage, pending)
        self._take(in_order(self._decode, images, threads=self.threads, ahead=2 * self.config.batch))
        return make_table(self.columns, self.table.source, self._origins())

    def _images(self, path: Path, salvage: Salvage, pending: Iterable[int]) -> Iterator[Image]:
        """The images that must be decoded; languages are filled in on the way."""
        for row in pending:
            look, _ = look_at(path, salvage, row, {})
            if self.config.language and self.columns["language"][row] is None:
                self.columns["language"][row] = detect(look.captions[:1])[0]
            is_seen = any(self.columns[name][row] is None for name in self.by_network)
            if self.config.decode or is_seen or self.config.phash:
                yield Image(row, look.image, look.captions[0], is_seen)

    def _decode(self, image: Image) -> Decoded:
        return decode(
            image.row,
            image.data,
            image.caption,
            max_pixels=self.config.max_pixels,
            prepare=self.networks.prepare if image.is_seen and self.networks else None,
            has_thumbnail=self.config.phash,
        )

    def _take(self, pictures: Iterable[Decoded]) -> None:
        """Write down what decoding found, and show every full batch to the networks."""
        waiting: list[Decoded] = []
        small: list[Decoded] = []
        for found in pictures:
            self.columns["decoded"][found.row] = True
            self.columns["problem"][found.row] = found.problem
            if found.thumbnail is not None:
                small.append(replace(found, prepared=None))  # a hundred times as large
            if found.prepared is not None:
                waiting.append(found)
            if len(waiting) == self.config.batch:
                self._show(waiting)
                waiting = []
            if len(small) == HASHED:
                self._hash(small)
                small = []
        self._show(waiting)
        self._hash(small)

    def _hash(self, small: list[Decoded]) -> None:
        """Turn thumbnails into perceptual hashes."""
        thumbnails = [found.thumbnail for found in small if found.thumbnail is not None]
        if thumbnails:
            self._fill("phash", small, hash_thumbnails(np.stack(thumbnails)))

    def _show(self, waiting: list[Decoded]) -> None:
        """Run the networks on one batch."""
        if not waiting or self.networks is None:
            return
        found = self.networks.measure([d.prepared for d in waiting], [d.caption for d in waiting])
        vectors = found.pop(embedding_column(self.config) or "", None)
        for name, values in found.items():
            self._fill(name, waiting, values)
        if vectors is not None:
            self._keep(waiting, vectors)

    def _keep(self, pictures: list[Decoded], vectors: np.ndarray) -> None:
        """Take embeddings [pictures, D] of samples that have none yet."""
        name = embedding_column(self.config)
        assert name is not None
        known = self.columns[name]
        self.vectors |= {d.row: v for d, v in zip(pictures, vectors, strict=True) if known[d.row] is None}
        self._fill(name, pictures, np.ones(len(pictures), bool))

    def _fill(self, name: str, pictures: list[Decoded], values: np.ndarray) -> None:
        column = self.columns[name]
        for found, value in zip(pictures, values.tolist(), strict=True):
            if column[found.row] is None:
                column[found.row] = value
                self.filled.add(name)

    def _origins(self) -> dict[str, Origin]:
        """Where each measured column comes from; a column that the data carried in part comes from both."""
        known = self.table.origins
        origins = known | {name: MODEL_FREE[name] for name in self.asked if name in MODEL_FREE}
        if self.networks is None:
            return origins
        for name, origin in (
            self.networks.origins() if self.filled - {*MODEL_FREE} else self.networks.names()
        ).items():
            carried = known[name].source if name in known and known[name].source != "computed" else ""
            if not carried:
                origins[name] = origin if name in self.filled else known.get(name, origin)
            elif name in self.filled:
                origins[name] = replace(
                    origin, source=f"{carried.removesuffix(', else computed')}, else computed"
                )
        return origins
