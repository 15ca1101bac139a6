"""From a folder of pictures to a model, by the commands that `t2igan init` prints."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from t2igan.checkpoint import read_header
from t2igan.cli.app import main
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes import ShapesStream
from t2igan.recipe.load import load_recipe

TWO_STEPS = ["--set", "train.batch=8", "--set", "train.threads=1"]


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty shapes of 40 px with their captions, below the current folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    shapes = ShapesStream(ShapesConfig(), resolution=40, seed=0)
    for i in range(20):
        sample = shapes.sample(i)
        Image.fromarray(sample.image).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(sample.caption)
    monkeypatch.chdir(tmp_path)
    return folder


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command that works prints to stdout and stderr."""
    capsys.readouterr()
    code = main(list(words))
    found = capsys.readouterr()
    assert code == 0, found.err
    return found.out, found.err


def test_the_printed_commands_lead_from_a_folder_to_a_model(
    pictures: Path, capsys: pytest.CaptureFixture[str]
):
    out, err = printed(capsys, "init", "pictures", "-o", "run.yaml", "--device", "cpu")
    assert "20 pictures, 40 px" in out
    assert err.startswith("warning: 20 pictures are few")
    commands = [line.strip() for line in out.splitlines() if line.startswith("  t2igan ")]
    words = [shlex.split(command)[1:] for command in commands]
    assert [w[:2] for w in words] == [["data", "import"], ["train", "--recipe"], ["train", "--recipe"]]

    printed(capsys, *words[0])
    clip = printed(capsys, *words[1], *TWO_STEPS, "--set", "kimg=0.016")[0].strip()
    sets = ["stages.0.kimg=0.016", "samples.num_images=4"]
    sets += [f"conditioner.checkpoint={clip}", f"discriminator.backbone.checkpoint={clip}"]
    path = printed(capsys, *words[2], *TWO_STEPS, *(word for s in sets for word in ("--set", s)))[0].strip()

    assert path == "runs/run/snapshots/000000.0.safetensors"
    header = read_header(path)
    assert (header.kind, header.progress["step"]) == ("generator", 2)
    assert Path("runs/run/samples/reals.png").is_file()


def test_json_holds_the_findings_and_nothing_else_is_on_stdout(
    pictures: Path, capsys: pytest.CaptureFixture[str]
):
    printed(capsys, "data", "import", "pictures", "--out", "shards", "--per-shard", "8")
    out, _ = printed(
        capsys, "init", "shards/{00000..00002}.tar", "-o", "gpu.yaml", "--device", "cuda", "--json"
    )
    found = json.loads(out)
    assert found["files"] == ["gpu.yaml"]
    assert found["commands"] == ["t2igan train --recipe gpu.yaml"]
    assert found["plan"]["pictures"] == 20
    assert len(found["warnings"]) == 1
    assert load_recipe("gpu.yaml").data.model_dump()["shards"] == "shards/{00000..00002}.tar"


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["init", "nowhere"], 4, "error: nowhere: no such folder or file"),
        (["init", "pictures", "-o", "run.txt"], 2, "error: run.txt: a recipe's file ends in .yaml"),
        (
            ["init", "pictures", "--resolution", "64", "--device", "cpu"],
            4,
            "error: pictures: no picture is 64 px",
        ),
        (
            ["init", "pictures", "--resolution", "33", "--device", "cpu"],
            2,
            "error: --resolution 33: choose a power",
        ),
        (
            ["init", "pictures", "-o", "pictures/0.png/run.yaml"],
            1,
            "error: pictures/0.png: cannot be written",
        ),
    ],
    ids=["data", "suffix", "size", "power", "folder"],
)
def test_what_cannot_work_is_one_line_and_writes_no_recipe(
    pictures: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, line: str
):
    assert main(words) == code
    assert capsys.readouterr().err.startswith(line)
    assert not list(pictures.parent.rglob("*.yaml"))


def test_a_second_init_refuses_to_replace_an_edited_recipe(
    pictures: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["init", "pictures", "--device", "cpu"]
    printed(capsys, *words)
    Path("run.yaml").write_text("mine")
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("error: run.yaml: exists already.")
    assert Path("run.yaml").read_text() == "mine"
    printed(capsys, *words, "--overwrite")
    assert load_recipe("run.yaml").name == "run"
