"""What `bench eval` compares is the same: our features of a folder are clean-fid's."""

from __future__ import annotations

from t2igan.bench.evaluation import bench_evaluation


def test_the_features_of_a_folder_are_clean_fid_s_from_files_on():
    found = bench_evaluation(pictures=5, side=40)
    assert found["difference"] < 1e-5  # float32, of features around 0.1
    assert found["ratio"] > 0
    assert set(found["images_per_s"]) == {"ours", "clean-fid"}
