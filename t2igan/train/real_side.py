"""The real side of a run's metrics at one resolution: statistics of training images, and captions. Generates nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path

import torch

from t2igan import dist
from t2igan.data.config import DataConfig, ShardsConfig
from t2igan.data.loader import Stream, build_loader, build_stream
from t2igan.encode import to_json
from t2igan.errors import DataError, T2IGanError
from t2igan.metrics.stats import FeatureStats
from t2igan.train.agreement import together
from t2igan.train.log import TickLog
from t2igan.train.measures import Asked, Measures, Share

IDENTIFYING_SAMPLES = 16


@dataclass(frozen=True)
class Source:
    """Training samples, in the stream's order: the same at every step of a run."""

    data: DataConfig
    resolution: int
    seed: int
    workers: int = 0


@dataclass(frozen=True)
class RealSide:
    """What generated images are compared with."""

    reference: FeatureStats | None  # on rank 0
    share: Share  # of the images to generate
    asked: list[Asked]  # for each pass of the share


def real_side(
    source: Source, measures: Measures, path: Path, *, most: int, device: torch.device, log: TickLog
) -> RealSide:
    """Read captions, and statistics from their file or from the data.

    Args:
        source: training samples.
        measures: the networks, at work.
        path: file of the statistics, in the run's folder.
        most: images a pass.
        device: where ranks communicate.
        log: hears what happens.

    Raises:
        DataError: if the data is missing or broken, or holds a single image.
    """
    stats, missing = _known(source, measures, path, device)
    if missing:
        log.say(f"metrics: reading {missing:,} training images of {source.resolution} px to compare with")
    share = Share.of(measures.config.num_images, most)
    with together(device):
        asked = _read(source, measures, share, stats, missing)
    if missing:
        stats = stats.reduce(device=device)
    if missing and dist.rank() == 0:
        _save(stats, path, log)
    return RealSide(stats if dist.rank() == 0 else None, share, asked)


def _known(source: Source, measures: Measures, path: Path, device: torch.device) -> tuple[FeatureStats, int]:
    """Statistics that an earlier start has left, or empty ones; and how many images are to be read, by all ranks."""
    stats, facts = measures.new_stats(), torch.zeros(2, dtype=torch.float64)
    with together(device):
        if dist.rank() == 0:
            stream = _stream(source)
            most = len(stream) if isinstance(stream, Sized) else measures.config.reference_images
            total = min(most, measures.config.reference_images)
            stats = _load(path, measures.new_stats(_identity(source, stream, total)))
            facts = torch.tensor([total, total - stats.count], dtype=torch.float64)
    total, missing = dist.all_reduce_sum(facts.to(device)).tolist()
    if total < 2:
        raise DataError("metrics need two training images or more to compare with. Add images to the data.")
    return stats, int(missing)


def _read(source: Source, measures: Measures, share: Share, stats: FeatureStats, missing: int) -> list[Asked]:
    """This rank's captions; its part of the first `missing` images goes into `stats`."""
    asked: list[Asked] = []
    batches = build_loader(
        _data(source),
        resolution=source.resolution,
        batch=share.batch,
        seed=source.seed,
        rank=dist.rank(),
        world=dist.world(),
        workers=source.workers,
    )
    num_asked = sum(1 for _ in share.passes())
    passes = Share(max(share.total, missing), share.batch).passes()
    for number, ((rows, _), batch) in enumerate(zip(passes, batches, strict=False)):
        wanted = batch.images[: max(missing - rows.start, 0)]
        if len(wanted):
            stats.add(measures.extractor(wanted))
        if number < num_asked:
            scorer = measures.scorer
            texts = scorer.embed_texts(batch.captions).cpu() if scorer is not None else None
            asked.append(Asked(batch.captions, texts))
    return asked


def _identity(source: Source, stream: Stream, total: int) -> str:
    """Which images: a hash of the section, size, order and number, and of the first samples themselves."""
    length = len(stream) if isinstance(stream, Sized) else "endless"
    facts = [to_json(_data(source)), source.resolution, source.seed, total, length]
    digest = hashlib.sha256(repr(facts).encode())
    for index in range(min(total, IDENTIFYING_SAMPLES)):
        sample = stream.sample(index)
        digest.update(sample.image.tobytes())
        digest.update(sample.caption.encode())
    return f"{total} training images {digest.hexdigest()[:16]}"


def _stream(source: Source) -> Stream:
    return build_stream(_data(source), resolution=source.resolution, seed=source.seed)


def _data(source: Source) -> DataConfig:
    """The section without the cache of decoded images: these are read once."""
    if isinstance(source.data, ShardsConfig):
        return source.data.model_copy(update={"cache": False})
    return source.data


def _load(path: Path, empty: FeatureStats) -> FeatureStats:
    """The file's statistics, if they are of the source of `empty`; else `empty`, so that they are made anew."""
    try:
        found = FeatureStats.load(path)
        found.check_same_source(empty)
    except T2IGanError:
        return empty  # not there, damaged, or of another network
    return found if found.data == empty.data else empty


def _save(stats: FeatureStats, path: Path, log: TickLog) -> None:
    try:
        stats.save(path)
    except T2IGanError as error:
        log.say(f"warning: {error} The next start reads the training images again.")
