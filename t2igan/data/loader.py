"""Endless, seeded batches, split over ranks. The only file of this package that needs torch."""

from __future__ import annotations

import itertools
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children, resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from t2igan.data.config import DataConfig, ShapesConfig, ShardsConfig
from t2igan.data.mixed_stream import shards_stream
from t2igan.data.shapes import ShapesStream
from t2igan.errors import T2IGanError
from t2igan.types import Batch, Sample

log = logging.getLogger(__name__)

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Stream(Protocol):
    """Sample number i as a pure function of i."""

    def sample(self, index: int) -> Sample:
        """Sample `index`, 0 or more."""
        ...


def build_stream(data: DataConfig, *, resolution: int, seed: int, embeddings: str | None = None) -> Stream:
    """The samples of a recipe's data section.

    Args:
        data: where samples come from.
        resolution: side of the images, in pixels.
        seed: of the order, or of the scenes.
        embeddings: fingerprint of the conditioner whose embeddings lie beside the shards; None = none are read.

    Raises:
        DataError: if the data is missing or broken.
    """
    if isinstance(data, ShapesConfig):
        return ShapesStream(data, resolution=resolution, seed=seed)
    return shards_stream(data, resolution=resolution, seed=seed, embeddings=embeddings)


def build_loader(
    data: DataConfig,
    *,
    resolution: int,
    batch: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    start: int = 0,
    workers: int = 0,
    embeddings: str | None = None,
) -> Iterator[Batch]:
    """Endless batches; number b of rank r is a pure function of (data, resolution, batch, seed, r, world, start, b).

    Args:
        data: where samples come from.
        resolution: side of the images, in pixels.
        batch: images a batch on this rank; sample i of the stream is the same in any batch and on any number of ranks.
        seed: seed of the order, or of the scenes.
        rank: this process; takes rows rank * batch to (rank + 1) * batch of the global batch.
        world: number of processes.
        start: samples that all ranks together have consumed; nothing is read for them.
        workers: processes that load ahead; 0 loads in this one. Any number gives the same batches.
        embeddings: fingerprint of the conditioner whose embeddings lie beside the shards, for `embed` of the batches;
            None = none are read.

    Raises:
        DataError: at once if the data is missing, later if it turns out to be broken.
    """
    stream = build_stream(data, resolution=resolution, seed=seed, embeddings=embeddings)
    batches = _Batches(stream, batch=batch, rank=rank, world=world, start=start)
    if workers and isinstance(data, ShardsConfig) and data.cache:
        log.warning("data.cache keeps the images in the training process: train.workers is not used.")
        workers = 0
    if workers == 0:
        return map(batches.__getitem__, itertools.count())
    return _load_ahead(batches, workers=workers)


def _load_ahead(batches: _Batches, *, workers: int) -> Iterator[Batch]:
    loader = DataLoader(
        _Reports(batches),
        batch_size=None,
        sampler=_Endless(),
        num_workers=workers,
        collate_fn=_unchanged,
        multiprocessing_context="spawn",  # a fork of a process with threads or CUDA may hang
    )
    with _deaf_children():
        resource_tracker.ensure_running()  # which unblocks signals as it ends
    others = active_children()
    with _deaf_children():
        batches_or_errors = iter(loader)
    started = [child for child in active_children() if child not in others]
    # Runs before multiprocessing's own end of a process, which asks them by SIGTERM and waits for ever.
    Finalize(batches_or_errors, _kill, args=(started,), exitpriority=0)
    try:
        for found in batches_or_errors:
            if isinstance(found, T2IGanError):
                raise found
            yield found
    finally:
        end_unheard(started)


def end_unheard(processes: list[BaseProcess]) -> None:
    """End processes that load ahead, at once and unheard.

    Asked to end, one that is just sending a batch aborts, and torch takes any that dies for an error of the program.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if is_main else None  # torch's, which raises
    _kill(processes)
    for process in processes:
        process.join()
    if before is not None:
        signal.signal(signal.SIGCHLD, before)


def _kill(processes: list[BaseProcess]) -> None:
    for process in processes:
        process.kill()


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started inside never hear a signal to stop.

    A terminal or a batch system sends it to them as well, and a worker that dies of it would take the run down before it
    is saved. They end when the training process closes them, or a few seconds after its death.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # a mask outlives exec, other than a handler
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Batches(Dataset[Batch]):
    """Batch number -> Batch of one rank."""

    def __init__(self, stream: Stream, *, batch: int, rank: int, world: int, start: int) -> None:
        self.stream = stream
        self.batch = batch
        self.rank = rank
        self.world = world
        self.start = start

    def __getitem__(self, number: int) -> Batch:
        first = self.start + (number * self.world + self.rank) * self.batch
        return collate([self.stream.sample(index) for index in range(first, first + self.batch)])


class _Reports(Dataset[Batch | T2IGanError]):
    """Gives an error back as a value: DataLoader would wrap it in a worker's traceback."""

    def __init__(self, batches: _Batches) -> None:
        self.batches = batches

    def __getitem__(self, number: int) -> Batch | T2IGanError:
        try:
            return self.batches[number]
        except T2IGanError as error:
            return error


class _Endless(Sampler[int]):
    """0, 1, 2, ..."""

    def __iter__(self) -> Iterator[int]:
        return itertools.count()


def _unchanged(found: Any) -> Any:
    return found


def collate(samples: list[Sample]) -> Batch:
    """Stack samples of one size: images [N, 3, R, R] uint8; labels [N, A] int64, or None unless all have as many.

    Embeddings [N, D] float16 likewise.
    """
    height, width, channels = samples[0].image.shape
    images = np.empty((len(samples), channels, height, width), dtype=np.uint8)
    for image, sample in zip(images, samples, strict=True):
        image[:] = sample.image.transpose(2, 0, 1)  # twice as fast as torch's permute and copy of the whole
    has_labels = len({len(sample.labels) for sample in samples}) == 1 and bool(samples[0].labels)
    labels = torch.tensor([sample.labels for sample in samples]) if has_labels else None
    rows = [sample.embed for sample in samples if sample.embed is not None]
    embed = torch.from_numpy(np.stack(rows)) if len(rows) == len(samples) else None
    return Batch(torch.from_numpy(images), tuple(sample.caption for sample in samples), labels, embed)
