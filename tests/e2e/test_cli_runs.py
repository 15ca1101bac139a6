"""`t2igan status`, `plot` and `compare` as a shell sees them, on the folder of a real run and on written ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from run_folders import tick, write_run
from tiny import tiny_recipe

from t2igan.train.run import run

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two stages that has come to its end."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    run(tiny_recipe(stages=((16, 5), (32, 5))), folder)
    return folder


def test_a_finished_run_says_so(t2igan: Run, trained: Path):
    done = t2igan("status", str(trained))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{trained}: recipe tiny, finished, last tick ")
    assert "0.1 of 0.1 kimg (100%), stage 2 of 2, 32 px, step 10" in done.stdout
    assert "G/adversarial" in done.stdout
    assert "000000.1.safetensors" in done.stdout
    assert "to go" not in done.stdout


def test_a_status_as_json_is_a_list_a_program_can_read(t2igan: Run, trained: Path):
    (found,) = json.loads(t2igan("status", str(trained), "--json").stdout)
    assert (found["status"], found["step"], found["total_kimg"]) == ("finished", 10, 0.08)
    assert Path(found["snapshot"]["path"]).is_file()


def test_a_folder_of_runs_gives_a_line_each(t2igan: Run, tmp_path: Path):
    write_run(tmp_path / "runs" / "a", [tick(10)])
    write_run(tmp_path / "runs" / "demo" / "gan", [tick(150)])
    write_run(tmp_path / "runs" / "new")
    lines = t2igan("status", "runs").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["run", "status"],
        ["runs/a", "stopped"],
        ["runs/demo/gan", "finished"],
        ["runs/new", "no"],
    ]


def test_among_several_runs_a_broken_one_is_said_and_left_out(t2igan: Run, tmp_path: Path):
    write_run(tmp_path / "runs" / "a", [tick(10)])
    (write_run(tmp_path / "runs" / "b", [tick(10)]) / "recipe.yaml").write_text("name: [")
    done = t2igan("status", "runs")
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.startswith("warning: runs/b/recipe.yaml:1: not valid YAML")
    alone = t2igan("status", "runs/b")
    assert (alone.returncode, alone.stdout) == (2, "")


def test_a_plot_is_written_into_the_run_s_folder(t2igan: Run, trained: Path):
    done = t2igan("plot", str(trained))
    assert done.stdout.splitlines() == [str(trained / "curves.html"), str(trained / "curves.png")]
    assert Image.open(trained / "curves.png").width > 1000
    assert "32 px" in (trained / "curves.html").read_text(encoding="utf-8")


def test_a_comparison_prints_what_differs(t2igan: Run, tmp_path: Path):
    write_run(tmp_path / "a", [tick(10)], [{"kimg": 10.0, "fid": 3.0}])
    write_run(tmp_path / "b", [tick(10)], [{"kimg": 10.0, "fid": 4.0}], z_dim=9)
    done = t2igan("compare", "a", "b", "--out", "c.html")
    assert done.stdout.splitlines() == [
        "generator.z_dim: a 8, b 9",
        "fid: a 3 at 10.0 kimg, b 4 at 10.0 kimg",
        "c.html",
    ]
    found = json.loads(t2igan("compare", "a", "b", "--json").stdout)
    assert found["metrics"]["fid"]["b"]["value"] == 4.0
    assert (tmp_path / "compare.html").is_file()


@pytest.mark.parametrize(
    "words", [["status", "x"], ["plot", "x"], ["compare", "x", "x"], ["status", "x", "--json"]]
)
def test_a_folder_that_is_no_run_gives_one_line(t2igan: Run, words: list[str]):
    done = t2igan(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: x: no such folder.")
    assert len(done.stderr.splitlines()) == 1


def test_watching_a_run_needs_no_torch(tmp_path: Path):
    write_run(tmp_path / "a", [tick(10)])
    write_run(tmp_path / "b", [tick(10)])
    one, other, out = (str(tmp_path / name) for name in ("a", "b", "c.html"))
    code = f"""
import sys
from t2igan.cli.app import main
for words in (["status", {one!r}], ["plot", {one!r}], ["compare", {one!r}, {other!r}, "--out", {out!r}]):
    assert main(words) == 0
assert not {{"torch", "numpy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
