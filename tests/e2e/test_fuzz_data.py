"""500 mutated tars, images and captions through import, filter and loader: no crash, and every sample is accounted for."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2igan.curate.config import Rules, ScoreConfig
from t2igan.curate.engine import Workers
from t2igan.curate.filtering import filter_shards
from t2igan.data.config import ShardsConfig
from t2igan.data.importer import import_pictures
from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import decode
from t2igan.data.shard_stream import ShardsStream
from t2igan.data.tars import Entry, index_tar, read_members, salvage_tar
from t2igan.errors import DataError

SHARDS, PER_SHARD, FILES = 200, 4, 300
KINDS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


def image(rng: np.random.Generator, suffix: str) -> bytes:
    buffer = io.BytesIO()
    pixels = rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, KINDS[suffix])
    return buffer.getvalue()


def mutated(rng: np.random.Generator, data: bytes) -> bytes:
    """Flip, cut, repeat or replace some bytes."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at, length = int(rng.integers(0, len(data) + 1)), int(rng.integers(1, 600))
        what = rng.integers(0, 5)
        if what == 0:
            data[at : at + 1] = rng.bytes(1)
        elif what == 1:
            del data[at:]
        elif what == 2:
            del data[at : at + length]
        elif what == 3:
            data[at:at] = data[at : at + length]
        else:
            data[at : at + length] = rng.bytes(length)
    return bytes(data)


def members(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """A few samples, half of which are mutated inside a sound tar."""
    for number in range(PER_SHARD):
        suffix = list(KINDS)[rng.integers(0, 3)]
        parts = {
            suffix: image(rng, suffix),
            "txt": "a Gemälde of 3 cats".encode(),
            "json": json.dumps({"caption": "x", "url": "http://x", "similarity": 0.3}).encode(),
        }
        victim = list(parts)[rng.integers(0, 6) % 3]
        if rng.random() < 0.5:
            parts[victim] = mutated(rng, parts[victim])
        yield from ((f"{number:04d}.{name}", data) for name, data in parts.items())


def write_shard(rng: np.random.Generator, path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members(rng):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    data = buffer.getvalue()
    path.write_bytes(mutated(rng, data) if rng.random() < 0.5 else data)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(7)
    for number in range(SHARDS):
        write_shard(rng, folder / f"{number:05d}.tar")
    return folder


def test_filter_counts_every_sample_of_broken_shards_and_what_it_keeps_can_be_read(
    shards: Path, tmp_path: Path
):
    out = tmp_path / "out"
    found = filter_shards(str(shards), str(out), rules=Rules(min_resolution=16, dedup=("phash",)), workers=Workers(count=1),
                          config=ScoreConfig(phash=True), scores=str(tmp_path / "scores"), is_quiet=True)  # fmt: skip
    seen = sum(len(salvage_tar(path).entries) for path in shards.glob("*.tar"))
    assert found["samples"] == seen == found["kept"] + sum(found["reasons"].values())
    assert 0.2 * seen < found["kept"] < 0.8 * seen
    assert len(found["reasons"]) > 5
    for path in shards.glob("*.tar"):
        stats = json.loads((out / f"{path.stem}_stats.json").read_text())
        assert (
            stats["count"]
            == len(salvage_tar(path).entries)
            == stats["successes"] + sum(stats["reasons"].values())
        )
    stream = ShardsStream(ShardsConfig(shards=str(out), shuffle=False), resolution=16, seed=0)
    assert len(stream) == found["kept"]
    assert all(stream.sample(index).caption for index in range(len(stream)))
    assert stream.tally.bad.total() == 0


def is_good(path: Path, entry: Entry) -> bool:
    try:
        decode(read_members(path, entry), resolution=16, max_pixels=10**6)
    except BadSampleError:
        return False
    return True


def test_the_loader_reads_or_counts_every_sample_of_broken_shards_or_refuses_the_shard(shards: Path):
    refused = 0
    for path in sorted(shards.glob("*.tar")):
        try:
            entries = index_tar(path)
            config = ShardsConfig(shards=str(path), shuffle=False, max_bad_fraction=1.0)
            stream = ShardsStream(config, resolution=16, seed=0)
        except DataError:
            refused += 1
            continue
        good = {entry.key for entry in entries if is_good(path, entry)}
        if not good:
            with pytest.raises(DataError, match="cannot be used"):
                stream.sample(0)
            continue
        keys = [stream.sample(index).key for index in range(len(entries))]
        assert stream.tally.tried == len(entries)
        assert stream.tally.bad.total() == len(entries) - len(good)
        assert set(keys) == good
    assert 0 < refused < SHARDS


def test_import_writes_or_counts_every_mutated_picture(tmp_path: Path):
    rng = np.random.default_rng(8)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(FILES):
        suffix = list(KINDS)[number % 3]
        data, text = image(rng, suffix), "ein Bild, größer".encode("utf-16" if number % 7 == 0 else "utf-8")
        (folder / f"{number}.{suffix}").write_bytes(mutated(rng, data) if rng.random() < 0.6 else data)
        if number % 11:
            (folder / f"{number}.txt").write_bytes(mutated(rng, text) if rng.random() < 0.3 else text)
    found = import_pictures(folder, tmp_path / "out")
    assert found["samples"] + sum(found["skipped"].values()) == FILES
    assert 0.2 * FILES < found["samples"] < 0.8 * FILES
    assert sum(len(index_tar(path)) for path in (tmp_path / "out").glob("*.tar")) == found["samples"]
