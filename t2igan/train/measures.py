"""The networks that measure a run, and the numbers of one truncation over all ranks. Knows no folder and no interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from t2igan import dist, images, rng
from t2igan.clip_scorer import Scorer, build_scorer
from t2igan.features import build_extractor
from t2igan.features.extractor import Extractor
from t2igan.metrics.clip_score import cosines
from t2igan.metrics.config import MetricsConfig
from t2igan.metrics.fid import frechet_distance
from t2igan.metrics.names import distance_name, score_name
from t2igan.metrics.stats import FeatureStats
from t2igan.train.state import TrainState


class Measures:
    """The extractor, and the scorer if there is one; both wait on the CPU between measurements."""

    def __init__(self, config: MetricsConfig) -> None:
        """Find and load the networks, so that a missing file is known before training begins.

        Raises:
            WeightsError: if weights are not on this machine.
            CheckpointError: if a checkpoint cannot be read.
        """
        self.config = config
        with dist.rank0_first(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # for networks without weights, which tests use
            self.extractor: Extractor = build_extractor(config.features)
            self.scorer: Scorer | None = build_scorer(config.clip) if config.clip else None

    @contextmanager
    def at_work(self, device: torch.device) -> Iterator[None]:
        """The networks on the device, and convolutions in full float32, inside the block."""
        movable = [self.extractor, *([self.scorer] if self.scorer else [])]
        tf32 = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False
        try:
            for network in movable:
                network.to(device)
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = tf32
            for network in movable:
                network.to("cpu")

    def new_stats(self, data: str = "") -> FeatureStats:
        """Empty statistics of the extractor."""
        return FeatureStats(
            self.extractor.name, self.extractor.dim, protocol=self.extractor.protocol, data=data
        )


@dataclass(frozen=True)
class Share:
    """This rank's part of the images 0 .. total - 1, cut as the data loader cuts them.

    Every rank makes as many passes of `batch` images as every other, so that none waits for one that has finished.
    """

    total: int
    batch: int

    @classmethod
    def of(cls, total: int, most: int) -> Share:
        """Passes of at most `most` images, and no more than this rank's part."""
        return cls(total, min(most, -(-total // dist.world())))

    def passes(self) -> Iterator[tuple[range, int]]:
        """(numbers of a pass, how many of them count): the last ones may lie beyond the total."""
        for start in range(0, self.total, self.batch * dist.world()):
            first = start + dist.rank() * self.batch
            yield range(first, first + self.batch), min(max(self.total - first, 0), self.batch)


@dataclass(frozen=True)
class Asked:
    """What the images of a pass are asked for."""

    captions: tuple[str, ...]
    texts: Tensor | None  # their embeddings [N, D] by the scorer, on the CPU


def measure(
    state: TrainState,
    measures: Measures,
    share: Share,
    asked: Sequence[Asked],
    *,
    reference: FeatureStats | None,
    psi: float,
) -> dict[str, float]:
    """Draw every rank's share with the averaged generator, and compare.

    Image i has latent seed i, caption i and constant layer noise, so that the numbers depend neither on the training's
    random numbers nor, but for rounding, on batch and ranks.

    Args:
        state: the run; left as it is.
        measures: the networks, at work.
        share: this rank's passes.
        asked: the captions of each pass.
        reference: statistics of real images, on rank 0; others pass None.
        psi: truncation.

    Returns:
        Metrics by name on rank 0, nothing elsewhere.
    """
    stats, total = measures.new_stats(), torch.zeros(1, dtype=torch.float64)
    for (seeds, count), what in zip(share.passes(), asked, strict=True):
        drawn = draw(state, what.captions, seeds, psi=psi)[:count]
        if count == 0:
            continue
        stats.add(measures.extractor(drawn))
        if measures.scorer is not None and what.texts is not None:
            total += cosines(measures.scorer.embed_images(drawn).cpu(), what.texts[:count]).sum()
    stats = stats.reduce(device=state.device)
    total = dist.all_reduce_sum(total.to(state.device)).cpu()
    if reference is None:
        return {}
    config = measures.config
    found = {distance_name(config.features): frechet_distance(reference, stats)}
    return found | ({score_name(config.clip): float(total) / stats.count} if config.clip else {})


@torch.no_grad()
def draw(state: TrainState, captions: Sequence[str], seeds: Sequence[int], *, psi: float) -> Tensor:
    """Images [N, 3, R, R] uint8 of the averaged generator, on its device."""
    c = state.sampling_condition(captions)
    z = rng.latents(seeds, state.z_dim).to(state.device)
    with state.autocast():
        return images.to_uint8(state.ema["G"].network(z, c, psi=psi))
