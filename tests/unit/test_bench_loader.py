"""The benchmark of the loader: its roads do the same work."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from t2igan.bench.loader import Kind, _write, bench_loader
from t2igan.bench.photographs import photograph
from t2igan.bench.roads import ours, pillow_loop, plain_webdataset
from t2igan.cli.bench import app
from t2igan.data.shards import find_shards
from t2igan.errors import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "set"
    _write(out, Kind(48, 32, 90, 5, 40))
    return out


def images(road, shards, resolution: int, **options) -> list[bytes]:
    """The first 40 images, in an order of their own."""
    batches = road(shards, resolution, **options)
    found: list[bytes] = []
    while len(found) < 40:
        found += [image.numpy().tobytes() for image in next(batches)]
    return sorted(found[:40])


def test_all_roads_give_the_same_pixels(folder):
    shards = find_shards(str(folder))
    loop = images(pillow_loop, shards, 32)
    assert len(set(loop)) == 5
    assert images(plain_webdataset, shards, 32) == loop
    assert images(ours, shards, 32) == loop
    assert images(ours, shards, 32, decode="exact") == loop


def test_the_result_compares_every_road_with_the_plain_ones(folder):
    threads = torch.get_num_threads()
    found = bench_loader(str(folder), resolution=16, workers=0)
    assert torch.get_num_threads() == threads
    assert [row["road"] for row in found["rows"]] == [
        "ours",
        "ours, exact",
        "webdataset",
        "Pillow loop",
    ]
    first, webdataset = found["rows"][0], found["rows"][2]
    assert first["to_webdataset"] == pytest.approx(first["per_core"] / webdataset["per_core"])
    assert webdataset["to_webdataset"] == 1


def test_pictures_larger_than_all_that_are_made_need_data():
    with pytest.raises(UsageError, match=r"--resolution 4096.*Give --data"):
        bench_loader(resolution=4096)


def test_the_command_prints_a_table(folder):
    shown = CliRunner().invoke(app, ["loader", "--data", str(folder), "--resolution", "16", "--workers", "0"])
    assert shown.exit_code == 0
    assert "x webdataset" in shown.output


def test_a_photograph_is_its_seed():
    one, other = (np.asarray(photograph(np.random.default_rng(7), 40, 30)) for _ in range(2))
    assert one.shape == (30, 40, 3)
    assert (one == other).all()
    assert one.std() > 30
