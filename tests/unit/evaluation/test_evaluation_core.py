"""From pictures to numbers: counts are true, order and processes change nothing, what is on disk is not done again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.errors import DataError
from t2igan.evaluation import store
from t2igan.evaluation.evaluate import evaluate
from t2igan.evaluation.metric import Metric
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.sources import open_source
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.evaluation.sources.shards import ShardsSource
from t2igan.metrics.config import RandomConvFeaturesConfig, SmallClipFeaturesConfig
from t2igan.pipeline import TextToImage

RANDOM = RandomConvFeaturesConfig()
CLIP = SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer")
FD, KID, PRDC = (Metric(kind, RANDOM) for kind in ("frechet", "kid", "prdc"))
SCORE = Metric("clip_score", CLIP)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "set"
    write_shapes(out, n=48, resolution=32, seed=3, config=ShapesConfig(), per_shard=20)
    return out


@pytest.fixture(scope="module")
def folder(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures as files, with captions beside them."""
    out = tmp_path_factory.mktemp("files")
    for number, picture in enumerate(ShardsSource(str(shapes), Preparation()).read(0, 48)):
        Image.fromarray(picture.image.permute(1, 2, 0).numpy()).save(out / f"{number}.png")
        (out / f"{number}.txt").write_text(picture.caption)
    return out


def test_files_are_read_in_natural_order_and_are_the_pictures_of_the_shards(shapes: Path, folder: Path):
    a, b = open_source(str(shapes)), open_source(str(folder))
    assert len(a) == len(b) == 48
    for x, y in zip(a.read(5, 30), b.read(5, 30), strict=True):
        assert torch.equal(x.image, y.image)
        assert x.caption == y.caption != ""


def test_a_set_against_itself_is_at_no_distance_and_recalls_everything(
    shapes: Path, folder: Path, tmp_path: Path
):
    found = evaluate(
        open_source(str(folder)), open_source(str(shapes)), [FD, KID, PRDC, SCORE], cache=tmp_path
    )
    values = {name: metric["value"] for name, metric in found["metrics"].items()}
    assert values["fd_random_conv"] == pytest.approx(0, abs=1e-9)
    assert values["kid_random_conv"] < 0.01
    assert values["prdc_random_conv"]["precision"] == values["prdc_random_conv"]["recall"] == 1
    assert found["metrics"]["prdc_random_conv"]["k"] == {
        "precision": 3,
        "recall": 3,
        "density": 5,
        "coverage": 5,
    }
    assert values["clip_score_small_clip"] > 0.7
    assert found["pictures"]["count"] == 48
    assert "48 pictures: a Frechet distance of under 2048 is mostly bias" in found["warnings"][-1]


def test_chunks_and_batches_change_no_number(
    shapes: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    rng = np.random.default_rng(0)
    for number, picture in enumerate(open_source(str(shapes)).read(0, 40)):
        pixels = picture.image.permute(1, 2, 0).numpy() + rng.normal(0, 9, (32, 32, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(noisy / f"{number}.png")
    values = []
    for chunk, batch in ((1024, 64), (7, 3)):
        monkeypatch.setattr(store, "CHUNK", chunk)
        cache = tmp_path / str(chunk)
        found = evaluate(open_source(str(noisy)), open_source(str(shapes)), [FD], cache=cache, batch=batch)
        values.append(found["metrics"]["fd_random_conv"]["value"])
    assert values[0] > 0.001
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_what_is_on_disk_is_not_read_again_and_a_damaged_chunk_is_made_anew(
    shapes: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "CHUNK", 10)
    seen: list[int] = []

    def run() -> float:
        seen.clear()
        found = evaluate(open_source(str(folder)), open_source(str(shapes)), [FD], cache=tmp_path,
                         on_progress=lambda done, total: seen.append(total))  # fmt: skip
        return found["metrics"]["fd_random_conv"]["value"]

    first = run()
    assert run() == first
    assert seen == []
    path = sorted(tmp_path.rglob("000002.safetensors"))[0]
    path.unlink()
    assert run() == first
    assert set(seen) == {10}


def test_a_model_s_pictures_are_the_same_from_any_place_and_a_broken_file_is_an_error(
    shapes: Path, folder: Path, tmp_path: Path
):
    model = TextToImage.from_checkpoint()
    captions = ShardsSource(str(shapes), Preparation()).captions()[:9]
    drawn = DrawnSource(model, captions, name="embedded", psi=0.9, seed=4, batch=4)
    whole = [picture.image for picture in drawn.read(0, 9)]
    assert all(torch.equal(a, b.image) for a, b in zip(whole[3:], drawn.read(3, 9), strict=True))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes((folder / "0.png").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"set/a\.png: does not decode"):
        list(open_source(str(tmp_path / "set")).read(0, 1))
