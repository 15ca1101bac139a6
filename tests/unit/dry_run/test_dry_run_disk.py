"""Disk and time of a run, against a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import BATCH, tiny_recipe

from t2igan.dry_run.disk import FileSizes, disk_of
from t2igan.dry_run.plan import make_plan
from t2igan.dry_run.probe import Probe, probe
from t2igan.dry_run.split import split_of
from t2igan.dry_run.timing import Timing, time_stage
from t2igan.errors import RecipeError
from t2igan.train.run import run

HEADER_BYTES = 100_000  # the recipe, and a line for each tensor


def test_a_run_leaves_the_planned_number_of_files_of_the_planned_sizes(tmp_path: Path):
    recipe = tiny_recipe(
        "train.state_kimg=0.07",
        "train.sample_kimg=0.05",
        "train.keep_snapshots=2",
        "train.milestone_kimg=0.1",
        stages=((16, 20), (32, 8)),  # 160 and 64 images
    )
    plan = make_plan(recipe, tmp_path)
    run(recipe, tmp_path)
    states = sorted((tmp_path / "state").glob("*.safetensors"))
    snapshots = sorted((tmp_path / "snapshots").glob("*.safetensors"))
    assert (len(states), len(snapshots)) == (plan.disk.num_states, plan.disk.num_snapshots)
    for files, size in ((states, plan.disk.states), (snapshots, plan.disk.snapshots)):
        written = sum(path.stat().st_size for path in files)
        assert size < written < size + HEADER_BYTES * len(files)


def test_milestones_are_kept_beside_the_last_snapshots():
    recipe = tiny_recipe(
        "train.state_kimg=1",
        "train.sample_kimg=1",
        "train.keep_states=2",
        "train.keep_snapshots=3",
        "train.milestone_kimg=4",
        stages=((16, 1250), (32, 1250)),  # 10 kimg each
    )
    sizes = [FileSizes(state=100, snapshot=10), FileSizes(state=200, snapshot=20)]
    disk = disk_of(recipe, sizes)  # milestones at 4, 8 | 12, 16 and 20, which is the newest file as well
    assert (disk.num_states, disk.states) == (2 + 4, 2 * 100 + 4 * 200)
    assert (disk.num_snapshots, disk.snapshots) == (3 + 4, 2 * 10 + 5 * 20)
    assert disk.total == disk.states + disk.snapshots + 200


@pytest.fixture(scope="module")
def seen() -> Probe:
    return probe(tiny_recipe(), 0, BATCH, accumulates=False, dtype=torch.float32)


def test_two_steps_are_timed_where_the_recipe_can_be_built(seen: Probe):
    recipe = tiny_recipe()
    split = split_of(recipe, 0, 1)
    timing = time_stage(recipe, 0, split, seen, needed=0)
    assert isinstance(timing, Timing)
    assert timing.first_s > 0
    assert timing.step_s(split) == timing.second_s > 0
    too_large = time_stage(recipe, 0, split, seen, needed=1 << 60)
    assert isinstance(too_large, str)
    assert "GiB are free here" in too_large


def test_missing_data_is_a_reason_and_no_error(seen: Probe):
    recipe = tiny_recipe("data={kind: shards, shards: nowhere/*.tar}")
    reason = time_stage(recipe, 0, split_of(recipe, 0, 1), seen, needed=0)
    assert isinstance(reason, str)
    assert "nowhere" in reason


def test_a_batch_that_gpus_cannot_share_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="cannot be shared by 3 processes"):
        make_plan(tiny_recipe(), tmp_path, gpus=3)


def test_a_run_of_many_steps_costs_the_flops_of_its_images(tmp_path: Path):
    (stage,) = make_plan(tiny_recipe(), tmp_path).stages
    images = stage.split.steps * BATCH
    assert stage.hours_at(1e9) == pytest.approx(images * stage.step_flops / 1e9 / 3600)
