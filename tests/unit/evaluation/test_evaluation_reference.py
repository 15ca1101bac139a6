"""Statistics instead of pictures: the same distance, and no other network, preparation or count."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.errors import DataError, T2IGanError, UsageError
from t2igan.evaluation.choice import choose_metrics
from t2igan.evaluation.evaluate import evaluate
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.reference import StoredReference, save_reference
from t2igan.evaluation.sources import open_source
from t2igan.metrics.stats import FeatureStats

(FD,) = choose_metrics(["fd"], features="random_conv")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("sets")
    for name, seed in (("a", 1), ("b", 2)):
        write_shapes(out / name, n=40, resolution=32, seed=seed, config=ShapesConfig(), per_shard=40)
    return out / "a", out / "b"


@pytest.fixture(scope="module")
def stored(sets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stored")
    save_reference(open_source(str(sets[1])), FD, out / "ref.safetensors", cache=out / "cache")
    return out / "ref.safetensors"


def test_statistics_give_the_distance_of_the_pictures(sets: tuple[Path, Path], stored: Path, tmp_path: Path):
    a, b = (open_source(str(path)) for path in sets)
    by_pictures, by_stats = (evaluate(a, real, [FD], cache=tmp_path) for real in (b, StoredReference(stored)))
    assert by_stats["metrics"] == by_pictures["metrics"]
    kept, told = by_stats["reference"], by_pictures["reference"]
    assert kept == {**told, "name": str(stored)}
    assert by_stats["warnings"] == by_pictures["warnings"]


def test_the_header_names_network_preparation_count_and_pictures(sets: tuple[Path, Path], stored: Path):
    with safe_open(stored, framework="pt") as file:
        header = file.metadata()
    assert header["extractor"].startswith("random_conv-")
    assert (header["protocol"], header["count"]) == ("bicubic 32 px", "40")
    assert open_source(str(sets[1])).fingerprint in header["data"]


def test_another_network_or_preparation_is_an_error(sets: tuple[Path, Path], stored: Path, tmp_path: Path):
    pictures = open_source(str(sets[0]))
    with pytest.raises(T2IGanError, match=r"made by random_conv-.* and this is judge-"):
        evaluate(pictures, StoredReference(stored), choose_metrics(["fd"], features="judge"), cache=tmp_path)
    stats = FeatureStats.load(stored)
    stats.protocol = "bicubic 299 px"
    stats.save(tmp_path / "other.safetensors")
    with pytest.raises(T2IGanError, match="bicubic 299 px"):
        evaluate(pictures, StoredReference(tmp_path / "other.safetensors"), [FD], cache=tmp_path)
    assert not list(tmp_path.glob("*/*.safetensors"))  # before any picture was looked at


def test_what_needs_pictures_is_not_made_of_statistics(sets: tuple[Path, Path], stored: Path, tmp_path: Path):
    pictures = open_source(str(sets[0]))
    for word in ("kid", "prdc", "cmmd"):
        with pytest.raises(UsageError, match="needs real pictures"):
            evaluate(pictures, StoredReference(stored), choose_metrics([word], features="random_conv"), cache=tmp_path)  # fmt: skip
        with pytest.raises(UsageError, match="compares with real pictures"):
            evaluate(pictures, None, choose_metrics([word], features="random_conv"), cache=tmp_path)


def test_one_picture_is_too_few_and_broken_files_are_named(
    sets: tuple[Path, Path], stored: Path, tmp_path: Path
):
    write_shapes(tmp_path / "one", n=1, resolution=32, seed=1, config=ShapesConfig(), per_shard=1)
    with pytest.raises(DataError, match="two or more"):
        save_reference(open_source(str(tmp_path / "one")), FD, tmp_path / "x.safetensors", cache=tmp_path)
    stats = FeatureStats.load(stored)
    stats.count = 1
    stats.save(tmp_path / "one.safetensors")
    with pytest.raises(DataError, match="two are the least"):
        StoredReference(tmp_path / "one.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(stored.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cut\.safetensors: cannot be read"):
        StoredReference(tmp_path / "cut.safetensors")


def test_pictures_of_another_size_are_told(sets: tuple[Path, Path], stored: Path, tmp_path: Path):
    small = open_source(str(sets[0]), Preparation(16))
    found = evaluate(small, StoredReference(stored), [FD], cache=tmp_path)
    assert any("16 x 16 px against real ones of 32 x 32 px" in text for text in found["warnings"])
