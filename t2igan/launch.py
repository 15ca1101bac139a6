"""Which process of how many this is: torchrun's environment variables, or SLURM's turned into them. Joins nothing."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

FIRST_PORT, NUM_PORTS = 12000, 20000  # below Linux' range of ephemeral ports, which begins at 32768


def world_size(environment: MutableMapping[str, str]) -> int:
    """How many processes were started together; 1 where nobody says so."""
    return int(environment.get("WORLD_SIZE", "1"))


def local_rank(environment: MutableMapping[str, str]) -> int:
    """This process's number on its machine."""
    return int(environment.get("LOCAL_RANK", "0"))


def adopt_slurm(environment: MutableMapping[str, str]) -> None:
    """Write torchrun's variables for a task that `srun` started together with others; leave any other process alone.

    A shell of salloc, and the script of sbatch, know the job's SLURM_NTASKS (the script even a SLURM_PROCID of 0), but
    are alone: what they start would wait for peers that never come. Only a task of a job step has a SLURM_STEP_ID.

    Args:
        environment: of this process; torchrun's own variables win, and so does a given MASTER_ADDR or MASTER_PORT.
    """
    if "WORLD_SIZE" in environment or not {"SLURM_STEP_ID", "SLURM_PROCID"} <= environment.keys():
        return
    tasks = environment.get("SLURM_STEP_NUM_TASKS") or environment.get("SLURM_NTASKS", "1")
    if int(tasks) == 1:
        return
    environment["WORLD_SIZE"] = tasks
    environment["RANK"] = environment["SLURM_PROCID"]
    # With --gpus-per-task each task sees its own GPUs only, the first of which is number 0.
    sees_its_own = "SLURM_GPUS_PER_TASK" in environment
    environment["LOCAL_RANK"] = "0" if sees_its_own else environment.get("SLURM_LOCALID", "0")
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "localhost")
    environment.setdefault("MASTER_ADDR", first_host(nodes))
    environment.setdefault("MASTER_PORT", str(_port(environment)))


def first_host(nodes: str) -> str:
    """The first name of a SLURM host list: `node[003-010,12],gpu7` -> `node003`."""
    whole = re.match(r"(?:[^,\[]|\[[^\]]*\])*", nodes)
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", whole.group() if whole else nodes)


def _port(environment: MutableMapping[str, str]) -> int:
    """The same on all tasks of a step, and another one for the job's other steps."""
    job, step = (int(environment.get(key, "0")) for key in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return FIRST_PORT + (job * 31 + step) % NUM_PORTS
