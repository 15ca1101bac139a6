"""Which state a run goes on from, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint
from t2igan.errors import CheckpointError, RecipeError, UsageError
from t2igan.train.resume import find_resume
from t2igan.train.run import run

STATES = ("train.state_kimg=0.104", "train.keep_states=5")
RECIPE = tiny_recipe(*STATES, stages=((16, 30),))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 30 steps with three states."""
    folder = tmp_path_factory.mktemp("finished")
    run(RECIPE, folder)
    assert [path.stem for path in sorted((folder / "state").iterdir())] == ["000000.1", "000000.2"]
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_new_folder_starts_anew(tmp_path: Path):
    found = find_resume(RECIPE, tmp_path, "auto")
    assert (found.path, found.stage, found.said) == (None, 0, [])


def test_the_newest_state_is_found_by_number_and_not_by_name(folder: Path):
    shutil.copy(newest_state(folder), folder / "state" / "99.0.safetensors")
    shutil.copy(newest_state(folder), folder / "state" / "best.safetensors")
    found = find_resume(RECIPE, folder, "auto")
    assert found.path == folder / "state" / "99.0.safetensors"


def test_a_truncated_state_is_said_and_the_one_before_is_taken(folder: Path, finished: Path):
    newest = newest_state(folder)
    newest.write_bytes(newest.read_bytes()[:-100])
    run(RECIPE, folder)
    log = (folder / "log.txt").read_text()
    assert "000000.2.safetensors: cut short" in log
    assert "Trying the one before." in log
    assert f"going on from {folder}/state/000000.1.safetensors at 0.1 kimg" in log
    mine, theirs = load_file(newest_state(folder)), load_file(newest_state(finished))
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("place", [0.5, 0.999], ids=["middle", "end"])
def test_one_flipped_bit_is_found_before_anything_is_loaded_and_the_damaged_state_is_set_aside(
    place: float, folder: Path, finished: Path
):
    newest = newest_state(folder)
    damaged = bytearray(newest.read_bytes())
    damaged[int(len(damaged) * place)] ^= 1
    newest.write_bytes(damaged)
    found = find_resume(RECIPE, folder, "auto")
    assert found.path == folder / "state" / "000000.1.safetensors"
    run(RECIPE, folder)
    log = (folder / "log.txt").read_text()
    assert "000000.2.safetensors: damaged, as its bytes do not match its checksum" in log
    assert f"set aside: {newest}.aside" in log
    assert Path(f"{newest}.aside").read_bytes() == damaged
    mine, theirs = load_file(newest), load_file(newest_state(finished))
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)


def test_a_damaged_state_does_not_push_whole_ones_out(folder: Path):
    newest = newest_state(folder)
    newest.write_bytes(newest.read_bytes()[:-1])
    one = tiny_recipe("train.state_kimg=0.056", "train.keep_states=1", stages=((16, 20),))
    run(one, folder)
    assert [p.name for p in sorted((folder / "state").iterdir())] == [
        "000000.2.safetensors",
        "000000.2.safetensors.aside",
    ]
    assert checkpoint.read(folder / "state" / "000000.2.safetensors", kind="state")[0].progress["step"] == 20


def test_after_going_back_to_an_older_state_the_newer_ones_are_not_gone_on_from(folder: Path):
    older = folder / "state" / "000000.1.safetensors"
    run(tiny_recipe(*STATES, stages=((16, 14),)), folder, resume=str(older))
    assert "set aside" in (folder / "log.txt").read_text()
    assert checkpoint.read_header(newest_state(folder)).progress["step"] == 14


def test_what_a_killed_process_left_is_removed_and_said(folder: Path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    for place in ("state/.000000.3.safetensors", "samples/.fakes_000000.2.png", ".recipe.yaml"):
        (folder / f"{place}.{dead.pid}.tmp").write_text("half")
    run(RECIPE, folder)
    assert not list(folder.rglob("*.tmp"))
    said = (folder / "log.txt").read_text()
    assert f"removed what a killed process left: .recipe.yaml.{dead.pid}.tmp, samples/.fakes" in said


def test_a_line_that_a_killed_process_has_cut_is_ended_before_the_next(folder: Path):
    with (folder / "stats.jsonl").open("a") as file:
        file.write('{"kimg": 0.2')
    run(tiny_recipe(*STATES, stages=((16, 32),)), folder)
    *_, cut, last = (folder / "stats.jsonl").read_text().splitlines()
    assert cut == '{"kimg": 0.2'
    assert json.loads(last)["step"] == 32


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 50, b"hello, this is no checkpoint"], ids=["empty", "zeros", "text"]
)
def test_states_that_are_all_broken_are_an_error_and_stay_as_they_are(folder: Path, content: bytes):
    for path in (folder / "state").iterdir():
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="none of its checkpoints is whole"):
        run(RECIPE, folder)
    assert all(path.read_bytes() == content for path in (folder / "state").iterdir())


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("generator.z_dim=16", "generator.z_dim"),
        ("discriminator.cmap_dim=16", "discriminator.cmap_dim"),
        ("loss.mismatch_weight=0.25", "loss.mismatch_weight"),
        ("data.scenes=pair", "data.scenes"),
    ],
)
def test_another_network_loss_or_data_is_refused_by_its_key_unless_allowed(
    finished: Path, change: str, key: str
):
    recipe = tiny_recipe(*STATES, change, stages=((16, 30),))
    with pytest.raises(RecipeError, match=rf"another recipe(.|\n)*--allow-changed(.|\n)*\n{key}: ") as caught:
        find_resume(recipe, finished, "auto")
    assert caught.value.exit_code == 2
    said = find_resume(recipe, finished, "auto", allow_changed=True).said
    assert any(line.startswith(f"changed since: {key}: ") for line in said)


def test_a_run_may_be_made_longer_and_gain_a_stage(finished: Path):
    wide = "generator.channel_base=1024"
    said = find_resume(tiny_recipe(*STATES, wide, stages=((16, 40), (32, 5))), finished, "auto").said
    assert "changed since: stages.0.kimg: 0.24 -> 0.32" in said
    assert any(line.startswith("changed since: stages.1: None -> ") for line in said)


def test_another_schedule_is_allowed_and_said(finished: Path):
    recipe = tiny_recipe(*STATES, "train.tick_kimg=0.08", stages=((16, 30),))
    assert "changed since: train.tick_kimg: 0.04 -> 0.08" in find_resume(recipe, finished, "auto").said


def test_a_recipe_without_the_stage_of_the_state_is_refused(tmp_path: Path):
    wide = "generator.channel_base=2048"
    run(tiny_recipe(wide, stages=((16, 1), (32, 1))), tmp_path)
    for stages in (((16, 1),), ((16, 1), (64, 1))):
        with pytest.raises(RecipeError, match="was in stage 2 at 32 px"):
            find_resume(tiny_recipe(wide, stages=stages), tmp_path, "auto")


def test_never_refuses_a_folder_that_holds_a_run(finished: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="holds a run already"):
        find_resume(RECIPE, finished, "never")
    assert find_resume(RECIPE, tmp_path, "never").path is None


def test_a_state_can_be_named(finished: Path, tmp_path: Path):
    first = finished / "state" / "000000.1.safetensors"
    assert find_resume(RECIPE, tmp_path, str(first)).path == first
    with pytest.raises(CheckpointError, match="no such checkpoint file"):
        find_resume(RECIPE, tmp_path, str(tmp_path / "nothing.safetensors"))
    snapshot = next((finished / "snapshots").iterdir())
    with pytest.raises(CheckpointError, match="of kind 'generator'"):
        find_resume(RECIPE, tmp_path, str(snapshot))


def test_a_state_with_tensors_of_another_shape_is_an_error_that_names_them(folder: Path):
    newest = newest_state(folder)
    tensors = load_file(newest)
    tensors["G.mapping.x_avg"] = torch.zeros(3)
    save_file(tensors, newest, metadata=checkpoint.read_header(newest).strings())
    with pytest.raises(CheckpointError, match=r"network G differs in mapping\.x_avg"):
        run(RECIPE, folder)


def test_a_finished_run_is_finished_and_writes_a_lost_snapshot_again(folder: Path, finished: Path):
    snapshot = next((folder / "snapshots").iterdir())
    snapshot.unlink()
    assert run(RECIPE, folder) == snapshot
    mine, theirs = load_file(snapshot), load_file(finished / "snapshots" / snapshot.name)
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
