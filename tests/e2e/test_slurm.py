"""Two tasks of a SLURM step train together; a batch script that starts one process trains alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_recipe

from t2igan.encode import to_yaml

COMMAND = [sys.executable, "-m", "t2igan", "train", "--recipe", "recipe.yaml", "--out", "run"]
# As in a job of two tasks on this machine; the job's number makes the port.
JOB = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_NTASKS": "2", "SLURM_JOB_NODELIST": "localhost"}
STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost"}


@pytest.mark.slow
@pytest.mark.parametrize("num_tasks", [1, 2])
def test_tasks_of_a_step_train_together_and_a_batch_script_alone(num_tasks: int, tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text(to_yaml(tiny_recipe(stages=((16, 2),))))
    tasks = [{"SLURM_PROCID": str(n), "SLURM_LOCALID": str(n)} for n in range(num_tasks)]
    step = STEP if num_tasks > 1 else {}
    processes = [
        subprocess.Popen(
            COMMAND,
            cwd=tmp_path,
            env={**os.environ, **JOB, **step, **task},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for task in tasks
    ]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * num_tasks, said
    assert f"x {num_tasks} ranks" in said[0][1]
    assert all("Warning" not in err for _, err in said)
