"""run_curves, run_status, run_plots, run_compare: what is said and drawn of a run."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path

import pytest
from PIL import Image
from run_folders import LAST_TICK, tick, write_run

from t2igan.errors import UsageError
from t2igan.run_compare import compare_runs, recipe_differences, shown
from t2igan.run_curves import (
    BAD_STEPS,
    MEMORY,
    SPEED,
    Best,
    best_metrics,
    is_smaller_better,
    machine_curves,
    metric_curves,
    stage_marks,
)
from t2igan.run_plots import group_scores, plot_run, run_panels
from t2igan.run_status import run_status
from t2igan.runs import Run, read_run

METRICS = [
    {"kimg": 10.0, "resolution": 16, "psi": 1.0, "fd_x": 1.0, "clip_score": 0.9},
    {"kimg": 60.0, "resolution": 32, "psi": 1.0, "fd_x": 8.0, "clip_score": 0.1},
    {"kimg": 70.0, "resolution": 32, "psi": 1.0, "fd_x": 7.0, "clip_score": 0.3},
    {"kimg": 80.0, "resolution": 32, "psi": 1.0, "fd_x": 9.0, "clip_score": 0.2},
    {"kimg": 80.0, "resolution": 32, "psi": 0.5, "fd_x": 99.0, "clip_score": math.nan},
]


def example(folder: Path, *, last: int = 80) -> Run:
    ticks = [tick(kimg) for kimg in range(10, last + 1, 10)]
    return read_run(write_run(folder, ticks, METRICS))


def test_speed_is_the_inverse_of_seconds_per_thousand_images(tmp_path: Path):
    curves = machine_curves(read_run(write_run(tmp_path / "a", [tick(10, sec_per_kimg=4.0, bad_steps=2)])))
    assert curves == {SPEED: [(10, 250.0)], MEMORY: [(10, 1.5)], BAD_STEPS: [(10, 2)]}


def test_a_psi_other_than_one_is_part_of_a_metric_s_name(tmp_path: Path):
    curves = metric_curves(example(tmp_path / "a"))
    assert list(curves) == ["clip_score", "clip_score, psi 0.5", "fd_x", "fd_x, psi 0.5"]
    assert curves["fd_x"] == [(10, 1.0), (60, 8.0), (70, 7.0), (80, 9.0)]


def test_the_best_is_the_smallest_distance_and_the_largest_score_of_the_present_resolution(tmp_path: Path):
    best = best_metrics(example(tmp_path / "a"))
    assert best["fd_x"] == Best(7.0, 70.0, 9.0)
    assert best["clip_score"] == Best(0.3, 70.0, 0.2)
    assert "clip_score, psi 0.5" not in best  # it has no finite value


@pytest.mark.parametrize(
    "name", ["fid", "FID", "fd_random_conv", "kid", "kid_inception", "cmmd", "frechet", "fid50k"]
)
def test_distances_are_better_when_smaller(name: str):
    assert is_smaller_better(name)


@pytest.mark.parametrize(
    "name", ["clip_score", "precision", "recall", "inception_score", "fidelity", "coverage"]
)
def test_scores_are_better_when_larger(name: str):
    assert not is_smaller_better(name)


def test_a_stage_is_marked_once_it_has_begun(tmp_path: Path):
    assert stage_marks(example(tmp_path / "a", last=50)) == []
    assert stage_marks(example(tmp_path / "b", last=60)) == [(50.0, "32 px")]


def test_a_status_says_where_a_run_stands(tmp_path: Path):
    found = run_status(example(tmp_path / "a"), LAST_TICK + 5)
    assert (found["stage"], found["num_stages"], found["resolution"], found["step"]) == (2, 2, 32, 10_000)
    assert (found["kimg"], found["total_kimg"], found["images_per_s"]) == (80, 150, 100)
    assert found["eta_s"] == 700  # 70 thousand images at 10 s each thousand
    assert found["scores"] == {"D/real": 1 / 81, "G/adversarial": 0.5}
    assert found["metrics"]["fd_x"] == {"value": 7.0, "kimg": 70.0, "last": 9.0}
    assert (found["state"], found["last_tick_age_s"]) == (None, 5)


def test_a_run_is_alive_for_three_of_its_ticks(tmp_path: Path):
    run = example(tmp_path / "a")  # 10 thousand images a tick, 10 s a thousand: 100 s
    assert run_status(run, LAST_TICK + 300)["status"] == "running"
    assert run_status(run, LAST_TICK + 301)["status"] == "stopped"


def test_a_slow_tick_with_metrics_lengthens_the_patience(tmp_path: Path):
    run = read_run(write_run(tmp_path / "a", [tick(10), tick(20, sec_per_kimg=90.0), tick(30)]))
    assert run_status(run, LAST_TICK + 2700)["status"] == "running"
    assert run_status(run, LAST_TICK + 2701)["status"] == "stopped"


def test_a_run_at_its_end_is_finished_and_one_without_a_tick_is_neither(tmp_path: Path):
    ended = read_run(write_run(tmp_path / "a", [tick(150.016)]))
    assert run_status(ended, LAST_TICK + 1e9)["status"] == "finished"
    assert run_status(ended, LAST_TICK)["eta_s"] == 0
    begun = run_status(read_run(write_run(tmp_path / "b")), LAST_TICK)
    assert (begun["status"], begun["eta_s"], begun["scores"]) == ("no tick yet", None, {})


def test_a_status_is_valid_json_whatever_the_numbers_are(tmp_path: Path):
    run = read_run(write_run(tmp_path / "a", [tick(10, memory_gb=math.inf, **{"D/real": math.nan})]))
    found = json.loads(json.dumps(run_status(run, LAST_TICK), allow_nan=False))
    assert found["scores"]["D/real"] is None
    assert found["memory_gb"] is None


def test_scores_share_a_panel_while_they_are_of_one_network_and_size():
    scores = {
        name: [(1.0, value)]
        for name, value in {"D/real": 0.5, "D/fake": -1.0, "clip/recall": 0.9, "clip/scale": 30.0}.items()
    }
    titles = {title: list(group) for title, group in group_scores(scores)}
    assert titles == {
        "scores of D": ["D/real", "D/fake"],
        "clip/recall": ["clip/recall"],
        "clip/scale": ["clip/scale"],
    }


def test_every_number_of_a_run_is_drawn(tmp_path: Path):
    drawn = [name for panel in run_panels(example(tmp_path / "a")) for name in panel.series]
    metrics = ["clip_score", "clip_score, psi 0.5", "fd_x", "fd_x, psi 0.5"]
    assert drawn == [*metrics, "D/real", "G/adversarial", SPEED, MEMORY, BAD_STEPS]


def test_a_plot_is_a_page_and_a_picture_with_stages_marked(tmp_path: Path):
    html, png = plot_run(example(tmp_path / "a"))
    assert [path.name for path in (html, png)] == ["curves.html", "curves.png"]
    assert Image.open(io.BytesIO(png.read_bytes())).format == "PNG"
    page = html.read_text(encoding="utf-8")
    assert page.count("<figure class='plot'>") == len(run_panels(example(tmp_path / "b")))
    assert page.count("class='mark'") >= 5
    assert ">32 px</text>" in page


def test_a_plot_goes_where_it_is_asked_to(tmp_path: Path):
    run = example(tmp_path / "a")
    assert plot_run(run, tmp_path / "x.png") == [tmp_path / "x.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "x.png"]
    assert not list(run.path.glob("curves.*"))
    with pytest.raises(UsageError, match=r"ends in \.html or \.png"):
        plot_run(run, tmp_path / "x.svg")


def test_a_run_without_numbers_cannot_be_drawn(tmp_path: Path):
    with pytest.raises(UsageError, match="no numbers to draw yet"):
        plot_run(read_run(write_run(tmp_path / "a")))


def test_only_keys_that_differ_are_differences():
    one = {"a": 1, "b": {"c": [1, 2], "d": 3}, "stages": [{"kimg": 1.0, "px": 16}]}
    other = {"a": 1, "b": {"c": [1, 3], "d": 3}, "stages": [{"kimg": 1.0, "px": 32}], "e": None, "f": "x"}
    assert recipe_differences([one, other]) == {
        "b.c": [[1, 2], [1, 3]],
        "stages.0.px": [16, 32],
        "f": [None, "x"],
    }
    assert recipe_differences([one, one, one]) == {}


def test_a_long_value_is_cut_and_a_missing_one_is_a_dash():
    assert (shown(None), shown(True), shown([1, 2]), shown("x")) == ("-", "true", "[1, 2]", "x")
    assert len(shown("y" * 100)) == 60


def test_a_comparison_lays_curves_over_each_other(tmp_path: Path):
    one = example(tmp_path / "one")
    other = read_run(write_run(tmp_path / "other", [tick(10, extra=1.0)], z_dim=9))
    found = compare_runs([one, other], tmp_path / "c.html")
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    figure = next(part for part in page.split("<figure") if "<figcaption>D/real<" in part)
    assert re.findall(r"<path d=[^>]*><title>(\w+)</title>", figure) == ["one", "other"]
    assert found["differences"] == {"generator.z_dim": {"one": 8, "other": 9}}
    assert list(found["metrics"]["fd_x"]) == ["one"]
    assert "7 at 70.0 kimg" in page


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path):
    runs = [read_run(write_run(tmp_path / folder / "gan", [tick(10)])) for folder in ("a", "b")]
    found = compare_runs(runs, tmp_path / "c.html")
    assert list(found["runs"]) == [str(tmp_path / "a" / "gan"), str(tmp_path / "b" / "gan")]
    assert "None: these runs have the same recipe." in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_a_comparison_needs_two_different_runs(tmp_path: Path):
    run = example(tmp_path / "a")
    with pytest.raises(UsageError, match="two runs or more"):
        compare_runs([run], tmp_path / "c.html")
    with pytest.raises(UsageError, match="given twice"):
        compare_runs([run, run], tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()
