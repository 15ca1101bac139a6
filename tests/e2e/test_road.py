"""The road from data to pictures, on the command line alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from t2igan.checkpoint import read_header
from t2igan.images import read_metadata

Run = Callable[..., subprocess.CompletedProcess[str]]
TRAIN = [
    "train",
    "--recipe",
    "smoke",
    "--data",
    "shards",
    "--set",
    "train.batch=8",
    "--set",
    "samples.num_images=4",
]


def stages(*steps: int) -> list[str]:
    """The option that sets one stage of 16 px a number, each of so many steps of eight images."""
    sizes = ", ".join(f"{{resolution: {16 << i}, kimg: {8 * n / 1000}}}" for i, n in enumerate(steps))
    return ["--set", f"stages=[{sizes}]"]


def done(found: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
    return found


@pytest.mark.slow
def test_shards_training_resume_and_pictures(t2igan: Run, tmp_path: Path):
    done(t2igan("data", "shapes", "--n", "40", "--out", "shards", "--resolution", "32"))
    assert list((tmp_path / "shards").glob("*.tar"))

    first = done(t2igan(*TRAIN, *stages(2)))
    assert first.stdout == "runs/smoke/snapshots/000000.0.safetensors\n"
    second = done(t2igan(*TRAIN, *stages(2, 2)))
    assert "going on from runs/smoke/state/000000.0.safetensors" in second.stderr
    assert "stage 2: 32 px, images 16 to 32" in second.stderr
    snapshot = second.stdout.strip()
    assert read_header(tmp_path / snapshot).progress["step"] == 4
    run = tmp_path / "runs" / "smoke"
    assert (run / "samples" / "reals.png").is_file()
    assert [json.loads(line)["step"] for line in (run / "stats.jsonl").read_text().splitlines()] == [2, 4]

    drawn = done(
        t2igan("sample", "a red circle", "a blue square", "--model", snapshot, "--seeds", "0-1", "--grid")
    )
    paths = [tmp_path / line for line in drawn.stdout.splitlines()]
    assert len(paths) == 5
    assert all(path.is_file() for path in paths)
    assert (read_metadata(paths[1])["prompt"], read_metadata(paths[1])["seed"]) == ("a red circle", 1)
    assert read_metadata(paths[0])["size"] == [32, 32]

    again = t2igan("sample", "a red circle", "--model", snapshot)
    assert again.returncode == 2
    assert again.stderr.startswith("error: out/0000_a-red-circle.png: exists already.")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (
            ["train", "--recipe", "smoke", "--data", "nowhere/*.tar"],
            4,
            "error: 'nowhere/*.tar': no file matches",
        ),
        (
            ["train", "--recipe", "smoke", "--resume", "nowhere.safetensors"],
            1,
            "error: nowhere.safetensors: no such",
        ),
        (["sample", " ", "--model", "m.safetensors"], 1, "error: m.safetensors: no such checkpoint file"),
        (["sample", "a", "--seeds", "x"], 2, "error: --seeds 'x'"),
    ],
    ids=["data", "state", "model", "seeds"],
)
def test_what_cannot_work_is_one_line_and_leaves_nothing(
    t2igan: Run, tmp_path: Path, words: list[str], code: int, line: str
):
    found = t2igan(*words)
    assert found.returncode == code
    assert found.stderr.splitlines()[0].startswith(line)
    assert "Traceback" not in found.stderr
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.png"))
