"""Weighted mixes of shard sets, and folders by resolution."""

import itertools
import logging
import pickle
from collections import Counter

import numpy as np
import pytest
import torch

from t2igan.data.config import ShardsConfig, SourceConfig
from t2igan.data.loader import build_loader
from t2igan.data.mixed_stream import MixedStream, shards_stream
from t2igan.data.mixture import CYCLE, Mixture, turns
from t2igan.data.resolutions import choose_folder
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.shard_stream import ShardsStream
from t2igan.data.shards import find_shards
from t2igan.errors import DataError, RecipeError
from t2igan.recipe.load import load_recipe
from t2igan.types import Batch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`a`: 35 shapes in 7 shards; `b`: 12 in 3, of 16 px both."""
    out = tmp_path_factory.mktemp("mix")
    write_shapes(out / "a", n=35, resolution=16, per_shard=5)
    write_shapes(out / "b", n=12, resolution=16, per_shard=4, seed=1)
    return out


@pytest.fixture(scope="module")
def mix(folder):
    sources = SourceConfig(shards=f"{folder}/a", weight=0.7), SourceConfig(shards=f"{folder}/b", weight=0.3)
    return ShardsConfig(shards=sources)


def stream(config: ShardsConfig, seed: int = 0):
    return shards_stream(config, resolution=16, seed=seed)


def take(count: int, config: ShardsConfig, **options) -> list[Batch]:
    defaults = {"resolution": 16, "batch": 8, "seed": 0}
    return list(itertools.islice(build_loader(config, **defaults | options), count))


def captions(batches: list[Batch]) -> list[str]:
    return [caption for batch in batches for caption in batch.captions]


def test_shares_are_exact_in_every_cycle():
    mixture = Mixture([0.7, 0.2, 0.1], seed=3)
    for cycle in (0, 5):
        sources = [mixture.locate(cycle * CYCLE + i)[0] for i in range(CYCLE)]
        assert Counter(sources) == {0: 7000, 1: 2000, 2: 1000}


def test_weights_are_relative_and_rounded_by_the_largest_remainder():
    assert turns([2, 1]) == turns([200, 100]) == (6667, 3333)
    assert turns([1, 1, 1]) == (3334, 3333, 3333)
    assert sum(turns([0.123, 0.456, 7.89, 0.01])) == CYCLE


def test_a_source_that_would_never_come_is_refused():
    with pytest.raises(DataError, match=r"data.shards.1.weight: 1e-06 is less than one in 10,000"):
        turns([1, 1e-6])


def test_a_source_is_read_in_its_own_order_without_gaps():
    mixture = Mixture([0.6, 0.4], seed=0)
    places = [mixture.locate(i) for i in range(2 * CYCLE)]
    for source in (0, 1):
        own = [position for s, position in places if s == source]
        assert own == list(range(len(own)))


def test_a_position_is_found_without_those_before():
    through = [Mixture([3, 1], seed=7).locate(i) for i in range(CYCLE + 5)]
    assert [Mixture([3, 1], seed=7).locate(i) for i in (CYCLE + 4, 17, CYCLE)] == [
        through[i] for i in (CYCLE + 4, 17, CYCLE)
    ]


def test_sources_alternate_at_random_and_not_in_step_with_ranks():
    sources = np.array([Mixture([1, 1], seed=0).locate(i)[0] for i in range(CYCLE)])
    assert abs(sources[::2].mean() - 0.5) < 4 * 0.5 / (CYCLE / 2) ** 0.5  # 4 sigma, without replacement less


def test_each_source_has_epochs_of_its_own(mix):
    mixed = stream(mix)
    assert isinstance(mixed, MixedStream)
    samples = [(mixed.mixture.locate(i), mixed.sample(i).key) for i in range(120)]
    for source, total in ((0, 35), (1, 12)):
        keys = [key for (s, _), key in samples if s == source]
        assert len(keys) > 2 * total
        for epoch in range(2):
            assert len(set(keys[epoch * total : (epoch + 1) * total])) == total


def test_a_list_of_one_source_is_the_source_itself(folder):
    single = stream(ShardsConfig(shards=f"{folder}/a"))
    listed = stream(ShardsConfig(shards=(SourceConfig(shards=f"{folder}/a", weight=9),)))
    assert [single.sample(i).key for i in range(40)] == [listed.sample(i).key for i in range(40)]


def test_a_mix_goes_on_anywhere_as_if_never_stopped(mix):
    through, resumed = take(12, mix), take(5, mix, start=7 * 8)
    for one, other in zip(through[7:], resumed, strict=True):
        assert torch.equal(one.images, other.images)
        assert one.captions == other.captions


def test_a_mix_reads_the_same_in_another_process(mix):
    sent = pickle.loads(pickle.dumps(stream(mix)))  # as a worker process gets it
    assert [sent.sample(i).key for i in range(20)] == [stream(mix).sample(i).key for i in range(20)]


def test_eight_ranks_over_seven_shards_give_equal_batches_whose_union_is_that_of_one_process(folder):
    data = ShardsConfig(shards=f"{folder}/a")
    assert len(find_shards(f"{folder}/a")) == 7
    whole = take(6, data, batch=16)
    ranks = [take(6, data, batch=2, rank=rank, world=8) for rank in range(8)]
    assert {len(batch) for batches in ranks for batch in batches} == {2}
    for number, one in enumerate(whole):
        assert one.captions == sum((batches[number].captions for batches in ranks), ())
        assert torch.equal(one.images, torch.cat([batches[number].images for batches in ranks]))


def test_going_on_with_two_ranks_instead_of_four_keeps_the_global_stream(mix):
    def together(world: int, count: int, start: int = 0) -> list[str]:
        ranks = [take(count, mix, batch=16 // world, rank=r, world=world, start=start) for r in range(world)]
        return [caption for batches in zip(*ranks, strict=True) for caption in captions(list(batches))]

    assert together(4, 3) + together(2, 3, start=3 * 16) == captions(take(6, mix, batch=16))


def test_the_source_with_bad_samples_is_the_one_that_is_named(folder):
    sources = SourceConfig(shards=f"{folder}/a"), SourceConfig(shards=f"{folder}/b")
    small = shards_stream(ShardsConfig(shards=sources), resolution=32, seed=0)
    with pytest.raises(DataError, match=rf"^{folder}/[ab]: "):
        small.sample(0)


def test_images_that_are_all_too_small_name_the_resolution(folder):
    small = ShardsStream(ShardsConfig(shards=f"{folder}/a"), resolution=64, seed=0)
    with pytest.raises(DataError, match=r"64 x smaller than 64 px\).*too small for a stage of 64 px"):
        small.sample(0)


def bucket(folder, *sizes: int) -> str:
    for size in sizes:
        write_shapes(folder / str(size), n=23, resolution=size, per_shard=5)
    return f"{folder}/{{resolution}}"


def test_a_stage_reads_the_folder_of_its_resolution(tmp_path):
    pattern = bucket(tmp_path, 16, 32)
    assert find_shards(pattern, resolution=32) == sorted((tmp_path / "32").glob("*.tar"))
    files = pattern + "/{00000..00001}.tar"
    assert find_shards(files, resolution=16) == [tmp_path / "16" / f"0000{i}.tar" for i in range(2)]
    assert find_shards(f"{files}::{tmp_path}/32", resolution=16)[2:] == find_shards(pattern, resolution=32)


def test_buckets_of_equal_shards_keep_the_order_from_stage_to_stage(tmp_path):
    data = ShardsConfig(shards=bucket(tmp_path, 16, 32))
    small, large = (shards_stream(data, resolution=size, seed=5) for size in (16, 32))
    samples = [(small.sample(i), large.sample(i)) for i in range(50)]
    assert all(a.key == b.key and a.caption == b.caption for a, b in samples)
    assert samples[0][1].image.shape == (32, 32, 3)


def test_a_missing_folder_gives_way_to_the_next_larger_one_and_is_named_once(tmp_path, caplog):
    pattern = bucket(tmp_path, 16, 32, 64)
    with caplog.at_level(logging.WARNING):
        chosen = [choose_folder(f"{tmp_path}/{{resolution}}", 24) for _ in range(3)]
    assert chosen == [f"{tmp_path}/32"] * 3
    assert [record.message for record in caplog.records] == [
        f"{pattern}: no folder for 24 px; reading 32 px and shrinking every picture."
    ]


@pytest.mark.parametrize(
    ("pattern", "resolution", "message"),
    [
        ("{folder}/{{resolution}}", 128, "no folder for 128 px or more, only for 16, 32"),
        ("{folder}/x{{resolution}}", 16, "or for any other size"),
        ("{folder}/none/{{resolution}}", 16, "there is no folder .*none"),
        ("{folder}/{{resolution}}", None, "name one of them"),
    ],
)
def test_what_is_missing_of_the_folders_is_said(tmp_path, pattern, resolution, message):
    for size in (16, 32):
        (tmp_path / str(size)).mkdir()
    with pytest.raises(DataError, match=message):
        find_shards(pattern.format(folder=tmp_path), resolution=resolution)


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        ("[{shards: a, weigth: 2}]", "data.shards.0: unknown key 'weigth'; did you mean 'weight'"),
        ("[{shards: 3}]", "data.shards.0.shards: must be text, not 3"),
        ("5", "data.shards: must be text, not 5"),
        ("[]", "data.shards: has 0 entries, needs at least 1"),
        ("[{shards: a, weight: 0}]", "data.shards.0.weight: must be greater than 0, not 0"),
    ],
)
def test_mistakes_in_a_mix_are_named_once_where_they_stand(shards, message):
    with pytest.raises(RecipeError) as error:
        load_recipe("smoke", [f"data={{kind: shards, shards: {shards}}}"])
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
