"""What a process learns of its peers from torchrun's and SLURM's variables."""

from __future__ import annotations

import pytest

from t2igan.launch import adopt_slurm, first_host, local_rank, world_size

JOB = {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "8", "SLURM_JOB_NODELIST": "node[003-004]"}
TASK = {
    **JOB,
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NODELIST": "node[003-004]",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node7", "node7"),
        ("node[003-010,12]", "node003"),
        ("node[12,003-010]", "node12"),
        ("gpu-a[01-02]-b[5,7],other9", "gpu-a01-b5"),
        ("login1,node[1-2]", "login1"),
        ("node[08].cluster,node9", "node08.cluster"),
    ],
)
def test_the_first_host_of_a_list_is_found_with_its_leading_zeros(nodes: str, first: str):
    assert first_host(nodes) == first


def test_a_task_of_srun_gets_the_variables_of_torchrun():
    adopt_slurm(environment := dict(TASK))
    assert environment["RANK"] == "5"
    assert environment["WORLD_SIZE"] == "8"
    assert environment["LOCAL_RANK"] == "1"
    assert environment["MASTER_ADDR"] == "node003"
    assert 12000 <= int(environment["MASTER_PORT"]) < 32768
    assert (world_size(environment), local_rank(environment)) == (8, 1)


def test_all_tasks_of_a_step_meet_at_one_port_and_another_step_at_another():
    ports = []
    for change in ({"SLURM_PROCID": "0"}, {"SLURM_PROCID": "7"}, {"SLURM_STEP_ID": "1"}):
        adopt_slurm(environment := {**TASK, **change})
        ports.append(environment["MASTER_PORT"])
    assert ports[0] == ports[1] != ports[2]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        JOB,  # a shell of salloc
        {**JOB, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},  # the script of sbatch
        {**TASK, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},  # srun -n1 inside a larger job
        {**TASK, "WORLD_SIZE": "1"},  # said so by hand
    ],
    ids=["no slurm", "salloc", "sbatch", "srun of one task", "by hand"],
)
def test_a_process_that_is_alone_stays_alone(environment: dict[str, str]):
    adopt_slurm(changed := dict(environment))
    assert changed == environment
    assert world_size(changed) == 1


def test_torchrun_inside_a_step_wins_over_the_step():
    torchrun = {
        **TASK,
        "RANK": "3",
        "WORLD_SIZE": "16",
        "LOCAL_RANK": "3",
        "MASTER_ADDR": "x",
        "MASTER_PORT": "1",
    }
    adopt_slurm(changed := dict(torchrun))
    assert changed == torchrun


def test_a_given_meeting_point_is_kept():
    adopt_slurm(environment := {**TASK, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "5000"})
    assert (environment["MASTER_ADDR"], environment["MASTER_PORT"]) == ("10.0.0.1", "5000")


def test_tasks_that_see_their_own_gpu_only_use_the_first_they_see():
    adopt_slurm(environment := {**TASK, "SLURM_GPUS_PER_TASK": "1"})
    assert environment["LOCAL_RANK"] == "0"


def test_an_old_slurm_that_does_not_count_a_steps_tasks_is_believed_about_the_jobs():
    environment = {key: value for key, value in TASK.items() if not key.startswith("SLURM_STEP_N")}
    adopt_slurm(environment)
    assert (environment["WORLD_SIZE"], environment["MASTER_ADDR"]) == ("8", "node003")
