"""`t2igan train --dry-run` as a shell sees it, for every shipped recipe. In this process: imports are most of the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from t2igan.cli.app import main
from t2igan.recipe.load import list_recipes

NEEDS_A_CHECKPOINT = {"emoji": "conditioner.checkpoint: runs/emoji_clip/snapshots/000050.2.safetensors"}
# Only lite is looked at as it is, in five seconds; of the others the last stage, with short frozen networks.
SHORT = ["discriminator.backbone.taps=[0]", "loss.guide=null", "loss.clip_weight=0"]
SETS = {
    "full": ["stages=[{resolution: 512, kimg: 6144, batch_gpu: 4}]", *SHORT],
    "full_shapes": ["stages=[{resolution: 64, kimg: 120}]"],
    "full_text_encoder": SHORT,
    "one_gpu": ["stages=[{resolution: 256, kimg: 2500, batch_gpu: 8}]", *SHORT],
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where each test stands; without weights, whatever this machine has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def dry_run(recipe: str, *more: str) -> int:
    sets = [word for assignment in SETS.get(recipe, ()) for word in ("--set", assignment)]
    return main(["train", "--recipe", recipe, "--dry-run", *sets, *more])


# What the plans of some recipes must say, planned for so many GPUs.
SAYS = {
    "full": (
        "1,020,497,609",
        "4 images x 8 pieces x 64 ranks",
        "64 ranks, bfloat16",
        "not timed: the weights of ViT-L-14.openai are not on this machine",
        "metrics: the weights of inception-2015-12-05.pt are not on this machine",
    ),
    "lite": ("74,556,835", "16 images x 1 pieces x 8 ranks"),
    "smoke": ("16 images x 1 pieces x 1 ranks", "images/s"),
}
GPUS = {"full": ["--gpus", "64"], "lite": ["--gpus", "8"]}


@pytest.mark.parametrize("recipe", sorted(set(list_recipes()) - set(NEEDS_A_CHECKPOINT)))
def test_every_recipe_can_be_planned_and_nothing_is_written(
    recipe: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]
):
    before = [*empty_folder.rglob("*")]
    assert dry_run(recipe, *GPUS.get(recipe, ())) == 0
    out = capsys.readouterr().out
    assert f"name: {recipe.replace('/', '_')}\n" in out
    titles = ("schedule", "parameters", "GFLOP", "memory a GPU", "time", "disk")
    for words in (*(f"\n{title}" for title in titles), *SAYS.get(recipe, ())):
        assert words in out
    assert [*empty_folder.rglob("*")] == before


@pytest.mark.parametrize("recipe", NEEDS_A_CHECKPOINT)
def test_a_checkpoint_that_is_still_to_be_trained_is_named(recipe: str, capsys: pytest.CaptureFixture[str]):
    assert dry_run(recipe) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {NEEDS_A_CHECKPOINT[recipe]}: no such checkpoint file.")
    assert err.count("\n") == 1


def test_the_environments_number_of_processes_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    assert dry_run("smoke") == 0
    out = capsys.readouterr().out
    assert "4 images x 1 pieces x 4 ranks" in out
    assert "not timed" not in out
    monkeypatch.setenv("RANK", "1")
    assert dry_run("smoke") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--gpus", "8"], "--gpus only plans: add --dry-run"),
        (["--dry-run", "--resume", "never"], "leave out --resume"),
        (["--dry-run", "--gpus", "3"], "cannot be shared by 3 processes"),
    ],
)
def test_wrong_use_is_refused_in_a_line(more: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "--recipe", "smoke", *more]) == 2
    assert message in capsys.readouterr().err
