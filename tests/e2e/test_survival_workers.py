"""Signals that a whole process group gets, the processes that load data included, as from a terminal or a batch system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from survival import OUTPUT, TRAIN, write_recipe
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint

LEFT_OPEN = """
from t2igan.data.config import ShapesConfig
from t2igan.data.loader import build_loader

if __name__ == "__main__":
    batches = build_loader(ShapesConfig(), resolution=16, batch=2, seed=0, workers=1)
    next(batches)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 130), (signal.SIGUSR1, 3)],
    ids=["term", "usr1"],
)
def test_a_signal_to_the_whole_group_saves_the_run_although_processes_load_its_data(
    number: signal.Signals, code: int, tmp_path: Path
):
    write_recipe(tmp_path, tiny_recipe("train.workers=1", stages=((16, 100_000),)))
    with (tmp_path / OUTPUT).open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "t2igan", *TRAIN], cwd=tmp_path, stderr=output, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "stats.jsonl").is_file() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, number)
        found = process.wait(timeout=60)
    text = (tmp_path / OUTPUT).read_text()
    assert found == code, text
    assert text.splitlines()[-1].endswith("and saved; the same command goes on from there.")
    assert "Traceback" not in text
    assert checkpoint.read_header(newest_state(tmp_path / "run")).progress["step"] >= 5


def test_a_program_ends_although_it_left_a_loader_open_whose_processes_hear_no_signal(tmp_path: Path):
    (tmp_path / "left_open.py").write_text(LEFT_OPEN)
    assert (
        subprocess.run([sys.executable, "left_open.py"], cwd=tmp_path, timeout=60, check=False).returncode
        == 0
    )
