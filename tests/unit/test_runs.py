"""runs.py: what is read from a run's folder, and what a killed or resumed run leaves in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import LAST_TICK, tick, write_run

from t2igan.errors import DataError, T2IGanError, UsageError
from t2igan.runs import Stage, is_run, read_run, runs_in


def kimgs(rows) -> list[float]:
    return [row["kimg"] for row in rows]


def test_a_run_is_read_whole(tmp_path: Path):
    folder = write_run(tmp_path / "a", [tick(10), tick(20)], [{"kimg": 20.0, "fid": 3.0}])
    for name in ("state/000010.0", "state/000002.0", "state/best", "snapshots/000020.0", "snapshots/note"):
        path = folder / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run = read_run(folder)
    assert (run.name, run.recipe["name"], run.kimg, run.total_kimg) == ("a", "two_stages", 20.0, 150.0)
    assert run.stages == (Stage(16, 0.0, 50.0), Stage(32, 50.0, 150.0))
    assert (kimgs(run.ticks), kimgs(run.metrics)) == ([10.0, 20.0], [20.0])
    assert [path.stem for path in run.states] == ["000002.0", "000010.0"]
    assert [path.stem for path in run.snapshots] == ["000020.0"]
    assert (run.num_broken, run.last_tick_time) == (0, LAST_TICK)


def test_an_encoder_s_run_is_one_stage(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    (folder / "recipe.yaml").write_text("task: encoder\nname: e\nkimg: 320.0\n")
    assert read_run(folder).stages == (Stage(None, 0.0, 320.0),)


def test_a_run_without_a_tick_stands_at_zero(tmp_path: Path):
    run = read_run(write_run(tmp_path / "a"))
    assert (run.kimg, run.ticks, run.last_tick_time) == (0.0, (), None)


def test_a_line_that_is_being_written_is_left_out_and_no_fault(tmp_path: Path):
    folder = write_run(tmp_path / "a", [tick(10)])
    with (folder / "stats.jsonl").open("a") as file:
        file.write('{"kimg": 20.0, "st')
    run = read_run(folder)
    assert (kimgs(run.ticks), run.num_broken) == ([10.0], 0)


@pytest.mark.parametrize(
    "line",
    ['{"kimg": 20.0, "st{"kimg": 25.0}', "[1, 2]", "{}", '{"kimg": "20"}', '{"kimg": NaN}', "[" * 100_000, "\x00\udcff"],
    ids=["torn", "list", "empty", "text", "nan", "deep", "bytes"],
)  # fmt: skip
def test_a_broken_line_in_the_middle_is_skipped_and_counted(tmp_path: Path, line: str):
    folder = write_run(tmp_path / "a", [tick(10), tick(30)])
    first, last = (folder / "stats.jsonl").read_text().splitlines()
    (folder / "stats.jsonl").write_bytes(f"{first}\n{line}\n{last}\n".encode("utf-8", "surrogateescape"))
    run = read_run(folder)
    assert (kimgs(run.ticks), run.num_broken) == ([10.0, 30.0], 1)


def test_values_that_are_no_numbers_are_left_out(tmp_path: Path):
    folder = write_run(tmp_path / "a", [tick(10)])
    (folder / "stats.jsonl").write_text(f'{{"kimg": 1, "a": true, "b": null, "c": "x", "d": 1{"0" * 400}}}\n')
    (row,) = read_run(folder).ticks
    assert row == {"kimg": 1.0, "d": float("inf")}


def test_later_lines_win_where_a_run_went_back(tmp_path: Path):
    lost = [tick(kimg, score=0) for kimg in (10, 20, 30, 40)]
    again = [tick(kimg, score=1) for kimg in (20, 30)]
    run = read_run(write_run(tmp_path / "a", [*lost, *again]))
    assert [(row["kimg"], row["score"]) for row in run.ticks] == [(10, 0), (20, 1), (30, 1)]


def test_a_run_may_go_back_twice(tmp_path: Path):
    run = read_run(write_run(tmp_path / "a", [tick(kimg) for kimg in (10, 20, 30, 15, 25, 35, 12, 22)]))
    assert kimgs(run.ticks) == [10, 12, 22]


def test_metrics_of_one_place_are_kept_for_every_psi_and_only_once(tmp_path: Path):
    course = [{"kimg": kimg, "psi": psi, "fid": 1.0} for kimg in (50, 100) for psi in (0.7, 1.0)]
    again = [{"kimg": 50, "psi": psi, "fid": 2.0} for psi in (0.7, 1.0)]
    run = read_run(write_run(tmp_path / "a", [], [*course, *again]))
    assert [(row["kimg"], row["psi"], row["fid"]) for row in run.metrics] == [(50, 0.7, 2.0), (50, 1.0, 2.0)]


def test_runs_are_found_in_a_folder_and_one_deeper(tmp_path: Path):
    for name in ("b", "a", "demo/gan", "too/deep/run"):
        write_run(tmp_path / name)
    (tmp_path / "c").mkdir()
    assert [str(path.relative_to(tmp_path)) for path in runs_in(tmp_path)] == ["a", "b", "demo/gan"]
    assert is_run(tmp_path / "a")
    assert not is_run(tmp_path)


def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path: Path):
    write_run(tmp_path / "runs" / "a")
    (tmp_path / "empty").mkdir()
    for name, reason in (
        ("nowhere", "no such folder"),
        ("empty", "no run, as it lacks"),
        ("runs", "holds 1 runs"),
    ):
        with pytest.raises(UsageError, match=reason) as caught:
            read_run(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "name: x", "stages: 5", "stages: [1]", "stages: [{kimg: -1}]", "kimg: many", "- kimg: 5", "kimg: 0"],
)
def test_a_recipe_that_does_not_say_how_long_the_run_is_is_refused(tmp_path: Path, text: str):
    folder = write_run(tmp_path / "a")
    (folder / "recipe.yaml").write_text(text)
    with pytest.raises(DataError, match="neither stages nor kimg"):
        read_run(folder)


def test_a_recipe_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    (folder / "recipe.yaml").write_text("name: x\nstages: [")
    with pytest.raises(T2IGanError, match=r"recipe\.yaml:2"):
        read_run(folder)
