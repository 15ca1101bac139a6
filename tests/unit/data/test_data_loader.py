"""The loader: ranks, resumption, workers."""

import itertools

import pytest
import torch

from t2igan.data.config import ShapesConfig, ShardsConfig
from t2igan.data.loader import build_loader, collate
from t2igan.data.shapes_shards import write_shapes
from t2igan.errors import DataError
from t2igan.types import Batch, Sample


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """23 shapes in 5 shards."""
    out = tmp_path_factory.mktemp("shards") / "set"
    write_shapes(out, n=23, resolution=16, per_shard=5)
    return out


@pytest.fixture(params=["shapes", "shards"])
def data(request, folder):
    return ShapesConfig() if request.param == "shapes" else ShardsConfig(shards=str(folder))


def take(count: int, data, **options) -> list[Batch]:
    defaults = {"resolution": 16, "batch": 4, "seed": 0}
    return list(itertools.islice(build_loader(data, **defaults | options), count))


def equal(first: Batch, second: Batch) -> bool:
    assert first.labels is not None
    assert second.labels is not None
    same_images = torch.equal(first.images, second.images) and torch.equal(first.labels, second.labels)
    return same_images and first.captions == second.captions


def test_a_batch_has_the_promised_types(data):
    (batch,) = take(1, data)
    assert batch.images.shape == (4, 3, 16, 16)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous()
    assert batch.labels is not None
    assert batch.labels.dtype == torch.int64
    assert len(batch.captions) == 4


def test_ranks_concatenate_to_the_batch_of_a_single_process(data):
    whole = take(5, data, batch=8)
    parts = [take(5, data, batch=4, rank=rank, world=2) for rank in (0, 1)]
    for one, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(one.images, torch.cat([first.images, second.images]))
        assert one.captions == first.captions + second.captions


def test_starting_at_a_batch_equals_skipping_those_before(data):
    through = take(20, data)
    assert all(equal(a, b) for a, b in zip(through[9:], take(11, data, start=9 * 4), strict=True))


def test_worker_processes_change_nothing(folder):
    data = ShardsConfig(shards=str(folder))
    assert all(
        equal(a, b) for a, b in zip(take(4, data, start=3), take(4, data, start=3, workers=2), strict=True)
    )


def test_another_seed_gives_other_batches(data):
    assert not equal(take(1, data)[0], take(1, data, seed=1)[0])


def test_no_batch_repeats(data):
    captions = [batch.images.sum().item() for batch in take(10, data)]
    assert len(set(captions)) == 10


def test_missing_data_is_an_error_before_the_first_batch():
    with pytest.raises(DataError, match="no such file"):
        build_loader(ShardsConfig(shards="/nowhere/x.tar"), resolution=16, batch=4, seed=0)


def test_an_error_in_a_worker_process_reads_as_in_this_one(folder, tmp_path):
    (tmp_path / "0.tar").write_bytes((folder / "00000.tar").read_bytes())
    (tmp_path / "0_stats.json").write_text('{"successes": 9}')
    with pytest.raises(DataError, match=r"^[^\n]*holds 5 samples, but 0_stats.json says 9[^\n]*$"):
        take(1, ShardsConfig(shards=str(tmp_path)), workers=1)


def test_cached_images_equal_decoded_ones(folder):
    plain, cached = (take(12, ShardsConfig(shards=str(folder), cache=cache)) for cache in (False, True))
    assert all(equal(a, b) for a, b in zip(plain, cached, strict=True))


def test_labels_are_left_out_where_some_samples_lack_them():
    image = torch.zeros(16, 16, 3, dtype=torch.uint8).numpy()
    assert collate([Sample(image, "a", (1, 2)), Sample(image, "b")]).labels is None
    assert collate([Sample(image, "a"), Sample(image, "b")]).labels is None
