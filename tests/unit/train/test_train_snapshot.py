"""What a run leaves on disk as it goes."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint
from t2igan.decode import decode_yaml
from t2igan.errors import CheckpointError, T2IGanError
from t2igan.images import read_metadata
from t2igan.pipeline import TextToImage
from t2igan.recipe.schema import Recipe
from t2igan.train.run import run
from t2igan.train.saving import numbered, numbered_files

EVERY_13 = ("train.state_kimg=0.104", "train.sample_kimg=0.104")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a run of 39 steps, and the snapshot it returned."""
    folder = tmp_path_factory.mktemp("run")
    return folder, run(tiny_recipe(*EVERY_13, stages=((16, 39),)), folder)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_run_leaves_recipe_log_statistics_pictures_snapshots_and_states(finished: tuple[Path, Path]):
    folder, snapshot = finished
    assert names(folder) == ["log.txt", "recipe.yaml", "samples", "snapshots", "state", "stats.jsonl"]
    kimg = ["000000.1", "000000.2", "000000.3"]
    assert names(folder / "samples") == [
        *(f"fakes_{k}.png" for k in kimg), "fakes_init.png", "reals.png",
    ]  # fmt: skip
    assert names(folder / "snapshots") == [f"{k}.safetensors" for k in kimg]
    assert snapshot == folder / "snapshots" / "000000.3.safetensors"


def test_only_the_last_states_are_kept(finished: tuple[Path, Path], tmp_path: Path):
    assert names(finished[0] / "state") == ["000000.2.safetensors", "000000.3.safetensors"]
    foreign = tmp_path / "state" / "mine.safetensors"
    foreign.parent.mkdir()
    foreign.write_text("kept")
    run(tiny_recipe(*EVERY_13, "train.keep_states=1", stages=((16, 39),)), tmp_path)
    assert names(tmp_path / "state") == ["000000.3.safetensors", "mine.safetensors"]


def test_the_written_recipe_is_the_recipe(finished: tuple[Path, Path]):
    written = decode_yaml((finished[0] / "recipe.yaml").read_text(), Recipe, source="recipe.yaml")
    assert written == tiny_recipe(*EVERY_13, stages=((16, 39),))


def test_statistics_are_one_json_object_a_tick(finished: tuple[Path, Path]):
    rows = [json.loads(line) for line in (finished[0] / "stats.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 25, 30, 35, 39]  # tick_kimg 0.04, batch 8
    keys = {"kimg", "resolution", "sec_per_kimg", "eta_s", "memory_gb", "bad_steps"}
    assert all(keys <= row.keys() for row in rows)
    assert {key for key in rows[0] if "/" in key} == {"D/real", "D/fake", "D/mismatch", "G/adversarial"}


def test_a_snapshot_draws_and_names_what_made_it(finished: tuple[Path, Path]):
    model = TextToImage.from_checkpoint(finished[1])
    assert model.generate(["a red circle"], [0]).shape == (1, 3, 16, 16)
    assert model.header.kind == "generator"
    assert model.header.progress["nimg"] == 312
    assert model.header.recipe["name"] == "tiny"
    assert model.conditioner.fingerprint == "hashing-16"


def test_the_snapshot_is_the_average_of_the_state_and_the_raw_generator_differs(finished: tuple[Path, Path]):
    folder, snapshot = finished
    shared, state = TextToImage.from_checkpoint(snapshot), newest_state(folder)
    average, raw = (TextToImage.from_checkpoint(state, weights=which) for which in ("ema", "raw"))
    assert average.fingerprint == shared.fingerprint != raw.fingerprint
    tensors = load_file(state)
    assert torch.equal(raw.G.mapping.mlp.fc0.weight, tensors["G.mapping.mlp.fc0.weight"])
    assert torch.equal(average.G.mapping.mlp.fc0.weight, tensors["G_ema.mapping.mlp.fc0.weight"])
    with pytest.raises(CheckpointError, match="holds no raw weights"):
        TextToImage.from_checkpoint(snapshot, weights="raw")


def test_a_state_of_the_first_stage_draws_at_its_resolution(tmp_path: Path):
    sets = ("train.keep_states=9", "train.batch=104")
    run(tiny_recipe(*sets, stages=((16, 13), (32, 13))), tmp_path)
    first, second = numbered_files(tmp_path / "state")
    assert TextToImage.from_checkpoint(first).resolution == 16
    assert TextToImage.from_checkpoint(second).resolution == 32


def test_a_state_leaves_the_frozen_backbone_out_and_a_snapshot_everything_but_the_average(
    finished: tuple[Path, Path],
):
    folder, snapshot = finished
    state = load_file(newest_state(folder))
    assert not [key for key in state if "backbone" in key]
    assert {key.split(".")[0] for key in state} == {"G", "G_ema", "D", "optim"}
    assert {key.split(".")[0] for key in load_file(snapshot)} == {"G_ema"}


def test_pictures_keep_their_captions_and_bits_over_a_resume(finished: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "state").mkdir()
    shutil.copy(finished[0] / "state" / "000000.2.safetensors", tmp_path / "state")
    run(tiny_recipe(*EVERY_13, stages=((16, 39),)), tmp_path)
    picture = "samples/fakes_000000.3.png"
    assert (tmp_path / picture).read_bytes() == (finished[0] / picture).read_bytes()


def test_pictures_of_a_run_are_pngs_that_others_may_read(finished: tuple[Path, Path]):
    assert read_metadata(finished[0] / "samples" / "reals.png")["v"] == 1
    assert stat.S_IMODE(finished[1].stat().st_mode) & 0o444 == 0o444


@pytest.mark.parametrize(("folder", "what"), [("state", "checkpoint"), ("samples", "sample grid")])
def test_a_folder_that_cannot_be_written_is_said_and_training_goes_on(folder: str, what: str, tmp_path: Path):
    run(tiny_recipe(stages=((16, 1),)), tmp_path)
    shutil.copytree(tmp_path / folder, tmp_path / "before")
    shutil.rmtree(tmp_path / folder)
    (tmp_path / folder).write_text("a file where a folder should be")
    states = tmp_path / "before" if folder == "state" else tmp_path / "state"
    first = next(states.glob("*.safetensors"))
    snapshot = run(tiny_recipe(*EVERY_13, stages=((16, 26),)), tmp_path, resume=str(first))
    assert f"warning: the {what} was not written" in (tmp_path / "log.txt").read_text()
    assert checkpoint.read_header(snapshot).progress["step"] == 26


def test_a_snapshot_that_never_reached_the_disk_is_an_error_at_the_end(tmp_path: Path):
    (tmp_path / "snapshots").write_text("a file where a folder should be")
    recipe = tiny_recipe(stages=((16, 2),))
    with pytest.raises(T2IGanError, match="the finished network could not be written"):
        run(recipe, tmp_path)
    assert "Training goes on" in (tmp_path / "log.txt").read_text()
    (tmp_path / "snapshots").unlink()
    assert run(recipe, tmp_path).is_file()


def test_files_are_ordered_by_their_number_beyond_a_hundred_million_images(tmp_path: Path):
    written = [numbered(tmp_path, nimg) for nimg in (99_999_900, 100_000_000, 999_999_900, 1_000_000_000)]
    for path in [*reversed(written), tmp_path / "00250.0.safetensors", tmp_path / "notes.safetensors"]:
        path.touch()
    assert numbered_files(tmp_path) == [tmp_path / "00250.0.safetensors", *written]


def test_a_state_reads_as_the_checkpoint_it_is(finished: tuple[Path, Path]):
    header = checkpoint.read_header(newest_state(finished[0]))
    assert header.kind == "state"
    assert (header.progress["step"], header.progress["nimg"], header.progress["stage"]) == (39, 312, 0)
