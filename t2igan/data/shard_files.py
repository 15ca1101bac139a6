"""The shards of one source, on this machine or behind URLs, and how many samples each has. Reads no sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from t2igan.data.config import ShardsConfig
from t2igan.data.remote import find_urls, is_url, read_beside
from t2igan.data.shard_cache import ShardCache
from t2igan.data.shards import SEPARATOR, count_in_stats, count_samples, find_shards
from t2igan.data.tars import index_tar
from t2igan.errors import DataError
from t2igan.files import remove_abandoned

T = TypeVar("T")


class ShardFiles:
    """Shard number -> a local file, fetched when it is first needed if it is behind a URL."""

    def __init__(self, config: ShardsConfig, *, resolution: int) -> None:
        """Find the shards of a single source, and count their samples.

        Raises:
            DataError: if they are missing or broken, or behind URLs without `cache_dir`.
        """
        (source,) = config.sources
        self._cache = _cache(config)
        self.places: list[Path | str] = []
        self.counts: list[int] = []
        for part in source.shards.split(SEPARATOR):
            self._add(part, resolution)

    def _add(self, part: str, resolution: int) -> None:
        if self._cache is None or not is_url(part):
            shards = find_shards(part, resolution=resolution)
            self.places += shards
            self.counts += count_samples(shards)
            return
        urls = find_urls(part, resolution=resolution)
        self.places += urls
        self.counts += self._count(urls)

    def local(self, shard: int) -> Path:
        """A shard on this machine.

        Raises:
            DataError: if it cannot be fetched.
        """
        place = self.places[shard]
        if isinstance(place, Path):
            return place
        assert self._cache is not None
        return self._cache.local(place)

    def read(self, shard: int, act: Callable[[Path], T]) -> T:
        """What `act` makes of a shard's local file; asked again where another process has just removed the copy.

        Raises:
            DataError: if the shard cannot be fetched; and what `act` raises.
        """
        path = self.local(shard)
        try:
            return act(path)
        except DataError:
            if isinstance(self.places[shard], Path) or path.exists():
                raise
            return act(self.local(shard))

    def _count(self, urls: list[str]) -> list[int]:
        """By NNNNN_stats.json beside each, else by fetching the shard."""
        assert self._cache is not None
        known = map(count_in_stats, read_beside([url.removesuffix(".tar") + "_stats.json" for url in urls]))
        counts = [
            len(index_tar(self._cache.local(url))) if count is None else count
            for url, count in zip(urls, known, strict=True)
        ]
        if not sum(counts):
            raise DataError(f"{urls[0]}: no samples in {len(urls)} shard(s).")
        return counts


def has_urls(config: ShardsConfig) -> bool:
    """Whether a source is fetched."""
    parts = [part for source in config.sources for part in source.shards.split(SEPARATOR)]
    return config.cache_dir is not None and any(map(is_url, parts))


def _cache(config: ShardsConfig) -> ShardCache | None:
    if config.cache_dir is None:
        return None
    remove_abandoned(Path(config.cache_dir))  # half a shard, of a process that was killed
    return ShardCache(Path(config.cache_dir), max_bytes=round(config.cache_gb * 1e9))
