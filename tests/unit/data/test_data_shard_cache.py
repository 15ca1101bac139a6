"""Shards behind URLs, by way of a folder of copies; file:// stands for every store of fsspec."""

import os
import shutil
from pathlib import Path

import pytest

from t2igan.data import remote
from t2igan.data.config import ShardsConfig, SourceConfig
from t2igan.data.mixed_stream import shards_stream
from t2igan.data.remote import find_urls, is_url
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.shard_cache import ShardCache
from t2igan.errors import DataError
from t2igan.files import temporary_name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("far") / "set"
    write_shapes(out, n=23, resolution=16, per_shard=5)
    return out


@pytest.fixture
def far(made, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "far"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(remote, "PAUSES_S", (0.0, 0.0))


def stream(shards, cache: Path, **options):
    return shards_stream(ShardsConfig(shards=shards, cache_dir=str(cache), **options), resolution=16, seed=0)


def keys(found, count: int = 30) -> list[str]:
    return [found.sample(i).key for i in range(count)]


def test_shards_behind_urls_are_read_as_the_files_themselves(far, tmp_path):
    local = shards_stream(ShardsConfig(shards=str(far)), resolution=16, seed=0)
    for pattern in ("", "/*.tar", "/{00000..00004}.tar"):
        assert keys(stream(f"file://{far}{pattern}", tmp_path / "cache")) == keys(local)


def test_nothing_is_fetched_before_it_is_needed_nor_twice(far, tmp_path):
    found = stream(f"file://{far}", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()  # counted by the statistics beside the shards
    first = keys(found)
    shutil.rmtree(far)
    assert keys(found) == first
    assert len(list((tmp_path / "cache").glob("*/*.tar"))) == 5


def test_shards_without_statistics_are_counted_by_fetching_them(far, tmp_path):
    (far / "00003_stats.json").unlink()
    assert len(stream(f"file://{far}", tmp_path / "cache")) == 23
    assert [path.name for path in (tmp_path / "cache").glob("*/*.tar")] == ["00003.tar"]


def test_equal_names_of_different_places_are_kept_apart(far, tmp_path):
    other = tmp_path / "other"
    write_shapes(other, n=10, resolution=16, per_shard=5, seed=9)
    sources = SourceConfig(shards=f"file://{far}"), SourceConfig(shards=f"file://{other}::{far}")
    mixed = stream(sources, tmp_path / "cache")
    assert len(mixed) == 23 + 10 + 23
    keys(mixed, 60)
    assert len(list((tmp_path / "cache").glob("*/*.tar"))) == 7  # of five and two; local files are not copied


def test_the_least_recently_used_shard_goes(far, tmp_path):
    urls = find_urls(f"file://{far}")
    size = max(path.stat().st_size for path in far.glob("*.tar"))
    cache = ShardCache(tmp_path / "cache", max_bytes=3 * size)
    for number, url in enumerate(urls[:3]):
        os.utime(cache.local(url), (number, number))
    os.utime(cache.path(urls[0]), (9, 9))
    cache.local(urls[3])
    assert [cache.path(url).exists() for url in urls[:4]] == [True, False, True, True]


def test_a_cache_smaller_than_the_set_changes_nothing_but_time(far, tmp_path):
    small = stream(f"file://{far}", tmp_path / "cache", cache_gb=1e-9)
    assert keys(small) == keys(shards_stream(ShardsConfig(shards=str(far)), resolution=16, seed=0))
    assert len(list((tmp_path / "cache").glob("*/*.tar"))) == 1


def test_a_copy_that_another_process_removes_is_fetched_again(far, tmp_path):
    found = stream(f"file://{far}", tmp_path / "cache")
    removed = []

    def act(path: Path) -> int:
        if not removed:
            removed.append(path)
            path.unlink()
            raise DataError("gone")
        return path.stat().st_size

    assert found.files.read(0, act) == (far / "00000.tar").stat().st_size


def test_a_shard_that_is_cut_off_is_named_and_not_kept(far, tmp_path):
    whole = (far / "00002.tar").read_bytes()
    (far / "00002.tar").write_bytes(whole[: len(whole) // 2 + 1])
    found = stream(f"file://{far}", tmp_path / "cache")
    with pytest.raises(DataError, match=rf"^file://{far}/00002.tar: is truncated"):
        keys(found)
    left = [path.name for path in (tmp_path / "cache").glob("*/*") if "00002" in path.name]
    assert left == ["00002.lock"]
    (far / "00002.tar").write_bytes(whole)
    assert len(set(keys(found, 23))) == 23


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("file://{far}/none", "no .tar there"),
        ("file://{far}/none.tar", "none.tar: not there"),
        ("oss://bucket/x.tar", "Install fsspec's package"),
        ("pipe:cat x.tar", "commands and URLs are not opened"),
        ("ssh://host/x.tar", "commands and URLs are not opened"),
    ],
)
def test_what_cannot_be_fetched_is_said(far, tmp_path, pattern, message):
    with pytest.raises(DataError, match=message):
        stream(pattern.format(far=far), tmp_path / "cache").sample(0)


def test_without_a_cache_urls_are_refused_by_naming_the_key():
    with pytest.raises(DataError, match=r"set data\.cache_dir"):
        shards_stream(ShardsConfig(shards="s3://bucket/cc3m"), resolution=16, seed=0)


def test_only_urls_of_stores_are_urls():
    assert is_url("gs://bucket/x")
    assert not any(map(is_url, ("datasets/x", "pipe:cat", "zip://x", "simplecache", "ssh://host/x")))


def test_the_resolution_of_the_stage_stands_in_urls_too(far, tmp_path):
    far.rename(tmp_path / "16")
    assert len(stream(f"file://{tmp_path}/{{resolution}}", tmp_path / "cache")) == 23


def test_what_a_killed_process_left_half_fetched_is_removed(far, tmp_path):
    url = find_urls(f"file://{far}")[0]
    cache = ShardCache(tmp_path / "cache", max_bytes=10**9)
    left = temporary_name(cache.local(url)).as_posix().replace(f".{os.getpid()}.", f".{2**22 + 1}.")
    Path(left).write_bytes(b"half")
    stream(f"file://{far}", tmp_path / "cache")
    assert not Path(left).exists()
    assert cache.path(url).exists()
