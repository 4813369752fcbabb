"""Slurm's variables in the environment of a job."""

from __future__ import annotations

import os
import socket

from .jobs import end_of
from .store import Job, State

YEAR = 365 * 86400  # what Slurm adds to the start of a job without a limit


def variables_of(state: State, job: Job) -> dict[str, str]:
    """Those of its batch script."""
    end = end_of(job) or job["start"] + YEAR
    options = job["options"]
    found = {
        "SLURM_CLUSTER_NAME": state["cluster"],
        "SLURM_CPUS_ON_NODE": job["cpus"],
        "SLURM_GTIDS": 0,
        "SLURM_JOBID": job["id"],
        "SLURM_JOB_CPUS_PER_NODE": job["cpus"],
        "SLURM_JOB_END_TIME": int(end),
        "SLURM_JOB_GID": os.getgid(),
        "SLURM_JOB_ID": job["id"],
        "SLURM_JOB_NAME": job["name"],
        "SLURM_JOB_NODELIST": job["node"],
        "SLURM_JOB_NUM_NODES": job["nodes"],
        "SLURM_JOB_PARTITION": job["partition"],
        "SLURM_JOB_QOS": job["qos"],
        "SLURM_JOB_START_TIME": int(job["start"]),
        "SLURM_JOB_UID": os.getuid(),
        "SLURM_JOB_USER": job["user"],
        "SLURM_LOCALID": 0,
        "SLURM_MEM_PER_CPU": job["memory"],
        "SLURM_NNODES": job["nodes"],
        "SLURM_NODEID": 0,
        "SLURM_NODELIST": job["node"],
        "SLURM_PROCID": 0,
        "SLURM_SUBMIT_DIR": job["workdir"],
        "SLURM_SUBMIT_HOST": socket.gethostname(),
        "SLURM_TASKS_PER_NODE": 1,
        "SLURMD_NODENAME": job["node"],
    }
    if job["array"] is not None:
        tasks = job["indexes"]
        found.update(
            SLURM_ARRAY_JOB_ID=job["array"],
            SLURM_ARRAY_TASK_ID=job["task"],
            SLURM_ARRAY_TASK_COUNT=len(tasks),
            SLURM_ARRAY_TASK_MIN=tasks[0],
            SLURM_ARRAY_TASK_MAX=tasks[-1],
            SLURM_ARRAY_TASK_STEP=tasks[1] - tasks[0] if len(tasks) > 1 else 1,
        )
    if job["restarts"]:
        found["SLURM_RESTART_COUNT"] = job["restarts"]
    if "cpus-per-task" in options:
        found["SLURM_CPUS_PER_TASK"] = options["cpus-per-task"]
    if "ntasks" in options:
        found["SLURM_NTASKS"] = found["SLURM_NPROCS"] = options["ntasks"]
    return {name: str(value) for name, value in found.items()}
