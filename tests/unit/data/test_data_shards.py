"""Finding shards, counting samples, and the order of an epoch."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from t2igan.data.config import ShapesConfig, ShardsConfig
from t2igan.data.order import EpochOrder
from t2igan.data.shapes import ShapesStream
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.shard_stream import ShardsStream
from t2igan.data.shards import count_samples, expand, find_shards
from t2igan.data.tars import index_tar
from t2igan.errors import DataError

COUNTS = [3, 0, 7, 1, 5, 5, 2, 9, 4, 4, 6, 1]  # 12 shards: more than one pool


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("shards") / "set"
    write_shapes(out, n=23, resolution=16, per_shard=5)
    return out


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_sample_comes_exactly_once_an_epoch(shuffle):
    order = EpochOrder(COUNTS, seed=0, shuffle=shuffle)
    every = {(shard, offset) for shard, count in enumerate(COUNTS) for offset in range(count)}
    for epoch in range(3):
        places = [order.locate(epoch * 47 + i) for i in range(47)]
        assert Counter(places) == Counter(every)


def test_epochs_and_seeds_have_orders_of_their_own():
    order = EpochOrder(COUNTS, seed=0, shuffle=True)
    epochs = [tuple(order.locate(epoch * 47 + i) for i in range(47)) for epoch in range(3)]
    other = EpochOrder(COUNTS, seed=1, shuffle=True)
    assert len({*epochs, tuple(other.locate(i) for i in range(47))}) == 4


def test_a_position_is_found_without_replaying_those_before():
    there = EpochOrder(COUNTS, seed=0, shuffle=True)
    through = [there.locate(i) for i in range(200)]
    assert [EpochOrder(COUNTS, seed=0, shuffle=True).locate(i) for i in (199, 40, 137)] == [
        through[i] for i in (199, 40, 137)
    ]


def test_unshuffled_order_is_that_of_the_files():
    order = EpochOrder(COUNTS, seed=0, shuffle=False)
    assert [order.locate(i) for i in range(5)] == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]


def test_neighbours_come_from_several_shards():
    order = EpochOrder([100] * 8, seed=0, shuffle=True)
    assert len({order.locate(i)[0] for i in range(40)}) == 8


def test_a_sample_is_equally_likely_in_every_place():
    firsts = Counter(EpochOrder([4, 4], seed=seed, shuffle=True).locate(0) for seed in range(800))
    assert len(firsts) == 8
    assert min(firsts.values()) > 100 - 4 * 100**0.5  # 4 sigma


def test_the_stream_reads_every_written_sample_once(folder):
    stream = ShardsStream(ShardsConfig(shards=str(folder)), resolution=16, seed=0)
    keys = [stream.sample(i).key for i in range(23)]
    assert sorted(keys) == [f"{i // 5:05d}{i % 5:05d}" for i in range(23)]


def test_what_was_written_is_what_is_read(folder):
    config = ShardsConfig(shards=str(folder), shuffle=False)
    read, drawn = (
        ShardsStream(config, resolution=16, seed=0),
        ShapesStream(ShapesConfig(), resolution=16, seed=0),
    )
    for index in range(23):
        a, b = read.sample(index), drawn.sample(index)
        np.testing.assert_array_equal(a.image, b.image)
        assert (a.caption, a.labels) == (b.caption, b.labels)


def test_a_sample_without_statistics_is_counted_from_the_tar(folder, tmp_path):
    (tmp_path / "a.tar").write_bytes((folder / "00000.tar").read_bytes())
    assert count_samples([tmp_path / "a.tar", folder / "00004.tar"]) == [5, 3]
    assert [len(index_tar(path)) for path in (tmp_path / "a.tar", folder / "00004.tar")] == [5, 3]


def test_a_folder_a_glob_braces_and_a_list_name_the_same_shards(folder):
    names = [folder / f"{i:05d}.tar" for i in range(5)]
    assert find_shards(str(folder)) == names
    assert find_shards(f"{folder}/*.tar") == names
    assert find_shards(f"{folder}/{{00000..00004}}.tar") == names
    assert find_shards(f"{folder}/{{00000..00001}}.tar::{folder}/{{00002,00003,00004}}.tar") == names


def test_braces_expand_as_in_a_shell():
    assert expand("a{08..11}b{x,y}") == [f"a{n}b{s}" for n in ("08", "09", "10", "11") for s in "xy"]
    assert expand("plain") == ["plain"]
    assert expand("{9..11}") == ["9", "10", "11"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{folder}/{{00000..00007}}.tar", r"00005.tar: no such file \(3 of the 8 shards"),
        ("{folder}/0000.tar", "0000.tar: no such file; did you mean '0000..tar'"),
        ("{folder}/*.tgz", "no file matches"),
        ("{folder}/nothing/{{0..3}}.tar", "the folder .*nothing does not exist either"),
        ("{folder}/{{5..2}}.tar", "a range goes up"),
        ("{folder}/{{0..999999999}}.tar", "at most 1000000"),
        ("pipe:cat x.tar", "commands and URLs are not opened"),
        ("https://host/x.tar", "commands and URLs are not opened"),
        ("{parent}", r"there are some in set"),
        ("{folder}/.t2igan", r"no .tar shards, but 1 other files"),
    ],
)
def test_what_is_missing_is_said(folder: Path, pattern: str, message: str):
    with pytest.raises(DataError, match=message):
        find_shards(pattern.format(folder=folder, parent=folder.parent))


def test_an_interrupted_data_set_is_named_in_a_warning(folder, tmp_path, caplog):
    (tmp_path / ".t2igan").mkdir()
    (tmp_path / ".t2igan" / "dataset.json").write_text('{"is_complete": false}')
    (tmp_path / "0.tar").write_bytes((folder / "00000.tar").read_bytes())
    find_shards(str(tmp_path))
    assert "was interrupted" in caplog.text
