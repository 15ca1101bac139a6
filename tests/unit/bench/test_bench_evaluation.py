"""What `bench eval` compares is the same, and what it calls exact is exact."""

from __future__ import annotations

import pytest
import torch

from t2igan.bench.evaluation import PARTS, bench_evaluation
from t2igan.bench.evaluation_folder import bench_folder
from t2igan.bench.evaluation_frechet import bench_frechet
from t2igan.bench.evaluation_overlap import bench_overlap
from t2igan.cli.bench_eval_tables import show_eval


def test_the_features_of_a_folder_are_clean_fid_s_from_files_on():
    found = bench_folder(pictures=5, side=40)
    assert found["difference"] < 1e-6  # float32, of features around 0.1
    assert found["ratio"] > 0
    assert set(found["images_per_s"]) == {"ours", "clean-fid"}


def test_both_ways_to_the_frechet_distance_lead_to_its_exact_value():
    found = bench_frechet(dim=40)
    assert max(found["error"].values()) < 1e-12  # float64
    assert set(found["seconds"]) == {"ours", "scipy.linalg.sqrtm"}


def test_drawing_and_features_are_measured_alone_and_together_and_the_threads_stay_as_they_were():
    threads = torch.get_num_threads()
    found = bench_overlap(pictures=8, device="cpu")
    assert torch.get_num_threads() == threads
    rates = found["images_per_s"]
    assert found["ratio"] == rates["overlapped"] / min(rates["drawing alone"], rates["features alone"])
    assert found["threads"] == 1


def test_memory_is_that_of_a_process_of_its_own_and_every_part_has_its_table(
    capsys: pytest.CaptureFixture[str],
):
    found = bench_evaluation(["memory"], pictures=3, side=16)
    memory = found["memory"]
    assert memory["pictures"] == [3, 12]
    assert 50 < memory["peak_mb"][0] < 4000  # torch alone is about 300
    assert memory["growth_mb"] == memory["peak_mb"][1] - memory["peak_mb"][0]
    found |= {"folder": bench_folder(pictures=2, side=16), "overlap": bench_overlap(pictures=2, device="cpu")}
    found["frechet"] = bench_frechet(dim=8)
    assert set(found) == set(PARTS)
    show_eval(found)
    shown = capsys.readouterr().out
    for line in ("one thread for each of the two", "9 further pictures", "relative error", "clean-fid"):
        assert line in shown
