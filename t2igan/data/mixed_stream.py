"""Sets of shards, one or several with weights, as one endless stream that can be entered anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from t2igan.data.config import ShardsConfig
from t2igan.data.mixture import Mixture
from t2igan.data.shard_stream import ShardsStream
from t2igan.types import Sample


class MixedStream:
    """Sample number i is a pure function of (files, config, resolution, seed, i); each source has its own epochs."""

    def __init__(self, streams: Sequence[ShardsStream], weights: Sequence[float], *, seed: int) -> None:
        self.streams = tuple(streams)
        self.mixture = Mixture(weights, seed=seed)

    def __len__(self) -> int:
        return sum(map(len, self.streams))

    def sample(self, index: int) -> Sample:
        """Read sample `index`, 0 or more.

        Raises:
            DataError: if a shard is broken, or more samples of a source are bad than the config allows.
        """
        source, position = self.mixture.locate(index)
        return self.streams[source].sample(position)


def shards_stream(
    config: ShardsConfig, *, resolution: int, seed: int, embeddings: str | None = None
) -> ShardsStream | MixedStream:
    """The stream of a section that names one set of shards or several.

    Args:
        config: where samples come from.
        resolution: side of the images, in pixels.
        seed: of the order.
        embeddings: fingerprint of the conditioner whose sidecars are read; None = none are.

    Raises:
        DataError: if the data is missing or broken.
    """
    streams = [
        ShardsStream(
            config.model_copy(update={"shards": source.shards}),
            resolution=resolution,
            seed=seed,
            embeddings=embeddings,
        )
        for source in config.sources
    ]
    if len(streams) == 1:
        return streams[0]
    return MixedStream(streams, [source.weight for source in config.sources], seed=seed)
