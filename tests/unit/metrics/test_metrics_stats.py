"""metrics/stats.py: merging, files, refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from t2igan.errors import DataError, T2IGanError
from t2igan.metrics.stats import FeatureStats


def features(n: int = 60, dim: int = 5, *, offset: float = 0.0) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(n)) + offset


def stats_of(rows: torch.Tensor, *pieces: int) -> FeatureStats:
    stats = FeatureStats("net", rows.shape[1], protocol="resize")
    for piece in rows.split(list(pieces) if pieces else len(rows)):
        stats.add(piece)
    return stats


def test_mean_and_covariance_are_numpys():
    rows = features()
    stats = stats_of(rows, 1, 20, 39)
    assert stats.count == 60
    np.testing.assert_allclose(stats.mean, rows.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(stats.cov(), np.cov(rows.double().numpy().T), rtol=1e-12)
    np.testing.assert_allclose(stats.cov(ddof=0), np.cov(rows.double().numpy().T, ddof=0), rtol=1e-12)


@pytest.mark.parametrize("pieces", [(60,), (7,) * 8 + (4,), (1,) * 60])
def test_any_cut_into_batches_gives_the_same_covariance_even_far_from_zero(pieces: tuple[int, ...]):
    rows = features(offset=1e4)
    expected = np.cov(rows.double().numpy().T)
    np.testing.assert_allclose(stats_of(rows, *pieces).cov(), expected, rtol=1e-10)


def test_merging_is_the_same_as_seeing_everything_and_an_empty_part_changes_nothing():
    rows = features()
    merged = FeatureStats("net", 5, protocol="resize")
    for part in (stats_of(rows[:11]), FeatureStats("net", 5, protocol="resize"), stats_of(rows[11:])):
        merged.merge(part)
    np.testing.assert_allclose(merged.cov(), stats_of(rows).cov(), rtol=1e-12)
    assert merged.count == 60


def test_an_empty_batch_changes_nothing():
    stats = stats_of(features())
    before = stats.cov()
    stats.add(features()[:0])
    assert torch.equal(stats.cov(), before)


def test_reduce_of_a_lone_process_is_an_equal_copy():
    stats = stats_of(features())
    alone = stats.reduce()
    assert alone is not stats
    assert (alone.count, alone.extractor, alone.protocol) == (60, "net", "resize")
    assert torch.equal(alone.cov(), stats.cov())


def test_a_saved_file_comes_back_bit_for_bit(tmp_path: Path):
    stats = stats_of(features())
    stats.save(tmp_path / "new" / "ref.safetensors")
    loaded = FeatureStats.load(tmp_path / "new" / "ref.safetensors")
    assert (loaded.count, loaded.extractor, loaded.protocol) == (60, "net", "resize")
    assert torch.equal(loaded.mean, stats.mean)
    assert torch.equal(loaded.scatter, stats.scatter)


@pytest.mark.parametrize(("extractor", "protocol"), [("other", "resize"), ("net", "other")])
def test_statistics_of_another_source_are_refused_by_name(extractor: str, protocol: str):
    other = FeatureStats(extractor, 5, protocol=protocol)
    with pytest.raises(T2IGanError, match="other"):
        stats_of(features()).merge(other)


def test_features_of_another_length_are_refused():
    with pytest.raises(T2IGanError, match=r"\[N, 5\]"):
        stats_of(features()).add(features(dim=4))


def test_a_feature_that_is_not_finite_is_refused():
    rows = features()
    rows[3, 2] = float("nan")
    with pytest.raises(T2IGanError, match="not finite"):
        stats_of(rows)


def test_one_image_has_no_covariance():
    with pytest.raises(T2IGanError, match="at least 2 images"):
        stats_of(features(1)).cov()


def test_files_that_are_not_statistics_are_refused(tmp_path: Path):
    (tmp_path / "text.safetensors").write_text("no")
    save_file({"G.w": torch.zeros(2)}, tmp_path / "model.safetensors")
    for name in ("text", "model", "missing"):
        with pytest.raises(DataError, match=name):
            FeatureStats.load(tmp_path / f"{name}.safetensors")
