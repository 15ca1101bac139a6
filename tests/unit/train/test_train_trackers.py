"""TensorBoard and wandb: what a run gives them is what their own readers find."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tiny import tiny_recipe

from t2igan.errors import T2IGanError
from t2igan.train.run import run
from t2igan.train.trackers import TensorBoard, open_trackers


def scalars(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> (step, value), as TensorBoard shows them."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(run_dir / "tensorboard")).Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]
    }


def test_a_run_s_progress_lines_are_read_back_from_tensorboard(tmp_path: Path):
    run(tiny_recipe("train.loggers=[tensorboard]", stages=((16, 5), (16, 5))), tmp_path / "a")
    ticks = [json.loads(line) for line in (tmp_path / "a" / "stats.jsonl").read_text().splitlines()]
    found = scalars(tmp_path / "a")
    assert {"D/real", "G/adversarial", "sec_per_kimg", "memory_gb", "bad_steps"} <= set(found)
    for name in ("D/real", "G/adversarial", "step"):
        expected = {round(tick["kimg"] * 1000): tick[name] for tick in ticks}
        assert dict(found[name]) == pytest.approx(expected, rel=1e-6)  # TensorBoard stores float32


def test_a_course_that_was_given_up_is_hidden(tmp_path: Path):
    pytest.importorskip("tensorboard")
    for start, steps, value in ((0, (10, 20, 30), 1.0), (20, (30, 40), 2.0)):
        tracker = TensorBoard(tmp_path, nimg=start)
        for step in steps:
            tracker.log(step, {"a": value})
        tracker.close()
    assert scalars(tmp_path)["a"] == [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0)]


def test_numbers_are_on_the_disk_before_the_run_ends(tmp_path: Path):
    pytest.importorskip("tensorboard")
    tracker = TensorBoard(tmp_path, nimg=0)
    tracker.log(8, {"a": 0.25, "b": float("nan")})
    assert scalars(tmp_path)["a"] == [(8, 0.25)]
    tracker.close()


def test_a_run_that_asks_for_nothing_imports_no_tracker(tmp_path: Path):
    assert open_trackers((), tmp_path, nimg=0) == []
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # what an import of a missing package finds
    with pytest.raises(T2IGanError, match=r"names wandb, which is not installed\..*t2igan\[wandb\]"):
        run(tiny_recipe("train.loggers=[wandb]"), tmp_path / "a")
    assert not (tmp_path / "a" / "wandb").exists()


def test_wandb_writes_offline_and_keeps_its_id_over_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    for start in (0, 8):
        (tracker,) = open_trackers(["wandb"], tmp_path, nimg=start)
        tracker.log(start + 8, {"D/real": 0.5})
        tracker.close()
    written = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(written) == 2
    assert len({path.name for path in written}) == 1
    assert all(b"D/real" in path.read_bytes() for path in written)
