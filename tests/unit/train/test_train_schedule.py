"""When a run writes, and which of its files stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import tiny_recipe

from t2igan.train.run import run
from t2igan.train.saving import numbered, numbered_files
from t2igan.train.schedule import Every, superfluous


def passed_at(kimg: float | None, steps: list[int], start: int = 0) -> list[int]:
    every = Every(kimg, start)
    return [nimg for nimg in steps if every.passed(nimg)]


def test_an_interval_passes_at_the_first_step_beyond_each_multiple():
    assert passed_at(0.1, list(range(0, 400, 64))) == [128, 256, 320]


def test_an_interval_shorter_than_a_step_passes_at_each_step():
    assert passed_at(0.01, [64, 128, 192]) == [64, 128, 192]


def test_multiples_count_from_the_first_image_and_not_from_where_a_run_goes_on():
    assert passed_at(0.1, [150, 199, 200, 300], start=120) == [200, 300]


def test_never_is_never():
    assert passed_at(None, [10**9]) == []


def files(*kimg: float) -> list[Path]:
    return [numbered(Path(), round(k * 1000)) for k in kimg]


@pytest.mark.parametrize(
    ("keep", "milestone", "left"),
    [
        (2, None, [21, 25]),
        (None, 10, [1, 4, 10, 11, 14, 20, 21, 25]),
        (1, 10, [10, 20, 25]),
        (3, 10, [10, 20, 21, 25]),
        (1, 4, [4, 10, 14, 20, 25]),
        (9, None, [1, 4, 10, 11, 14, 20, 21, 25]),
        (1, 0.3, [1, 4, 10, 11, 14, 20, 21, 25]),
    ],
)
def test_the_newest_and_the_first_file_of_each_milestone_stay(
    keep: int | None, milestone: float | None, left: list[int]
):
    found = files(1, 4, 10, 11, 14, 20, 21, 25)
    gone = superfluous(found, keep=keep, milestone_kimg=milestone)
    assert [path for path in found if path not in gone] == files(*left)


def test_a_milestone_that_was_written_late_is_a_milestone():
    assert superfluous(files(9, 14, 16, 18), keep=1, milestone_kimg=10) == files(9, 16)


def test_a_milestone_is_recognised_although_its_name_is_rounded():
    assert superfluous(files(0.336, 0.5, 0.9), keep=1, milestone_kimg=0.33) == files(0.5)


def test_a_run_keeps_milestones_and_the_newest_of_states_and_snapshots_and_what_is_not_its_own(
    tmp_path: Path,
):
    best = tmp_path / "snapshots" / "best.safetensors"
    best.parent.mkdir()
    best.write_text("kept")
    recipe = tiny_recipe(
        "train.batch=100",
        "train.state_kimg=0.3",
        "train.sample_kimg=0.1",
        "train.milestone_kimg=0.2",
        "train.keep_states=1",
        "train.keep_snapshots=2",
        "samples.num_images=1",
        "stages=[{resolution: 16, kimg: 0.7}]",
    )
    assert run(recipe, tmp_path) == tmp_path / "snapshots" / "000000.7.safetensors"
    assert [path.stem for path in numbered_files(tmp_path / "state")] == [
        "000000.2", "000000.4", "000000.6", "000000.7",
    ]  # fmt: skip
    assert [path.stem for path in numbered_files(tmp_path / "snapshots")] == [
        "000000.2", "000000.4", "000000.6", "000000.7",
    ]  # fmt: skip
    assert best.read_text() == "kept"
