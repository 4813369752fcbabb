"""What a local job runs as: its environment, its files, its working directory. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import NamedTuple

from slurm.agent.users import user_name
from slurm.local.jobs import LocalJob
from slurm.sbatch.filename_pattern import NO_INDEX, JobNames, expand
from slurm.sbatch.values import WarningSignal, parse_memory, parse_signal

NO_LIMIT = 365 * 24 * 3600  # seconds; what slurmctld adds for the end time of a job without limit


# What every process of a job was started with, together with SLURM_JOB_ID.
STATE_VARIABLE = "SLURM_SDK_LOCAL_STATE"


class Launch(NamedTuple):
    """Everything needed to run a job.

    `stderr` is empty when it goes where stdout goes; `time_limit` and `kill_wait` are seconds;
    `warning` is to be sent before the limit; `pid_file` and `status_file` are what the supervisor leaves for the daemon.
    """

    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    stdin: str
    stdout: str
    stderr: str
    append: bool
    umask: int
    time_limit: int | None
    warning: WarningSignal | None
    kill_wait: float
    pid_file: str
    status_file: str


def launch_of(
    job: LocalJob,
    *,
    environment: Mapping[str, str],
    umask: int,
    max_cpus: int,
    kill_wait: float,
    state_dir: str,
    spool: str,
) -> Launch:
    """How `job`, which is about to start, is run for the client whose `environment` is given.

    A restart begins its files anew unless ``--open-mode=append`` says otherwise, as Slurm's does.
    """
    submission = job.submission
    warning = job.options.get("signal")
    limited = submission.time_limit is not None
    return Launch(
        argv=("/bin/bash", submission.script),
        cwd=submission.cwd,
        environment={
            **exported(environment, job.options.get("export", "ALL")),
            **slurm_variables(job, min(submission.cpus, max_cpus)),
            STATE_VARIABLE: state_dir,
        },
        stdin=_file(job, "input", "/dev/null"),
        stdout=_file(job, "output", "slurm-%j.out" if job.index is None else "slurm-%A_%a.out"),
        stderr=_file(job, "error", ""),
        append=job.options.get("open-mode", "truncate").startswith("a"),
        umask=umask,
        time_limit=submission.time_limit,
        warning=parse_signal(warning) if warning is not None and limited else None,
        kill_wait=kill_wait,
        pid_file=posixpath.join(spool, f"{job.job_id}.pid"),
        status_file=posixpath.join(spool, f"{job.job_id}.status"),
    )


def exported(environment: Mapping[str, str], export: str) -> dict[str, str]:
    """The part of the client's environment that sbatch's ``--export`` lets through."""
    result: dict[str, str] = {}
    for item in export.split(","):
        name, given, value = item.partition("=")
        if given:
            result[name] = value
        elif name == "ALL":
            result = {**environment, **result}
        elif name in environment:
            result[name] = environment[name]
    return result


def slurm_variables(job: LocalJob, cpus: int) -> dict[str, str]:
    """What Slurm sets in the environment of a batch job that was given `cpus` on this machine."""
    submission, options = job.submission, job.options
    job_id, start = str(job.job_id), int(job.start or 0)
    tasks = options.get("ntasks", options.get("ntasks-per-node", "1"))
    variables = {
        "SLURM_CLUSTER_NAME": "local",
        "SLURM_JOB_ID": job_id,
        "SLURM_JOBID": job_id,
        "SLURM_JOB_NAME": submission.name,
        "SLURM_JOB_PARTITION": submission.partition,
        "SLURM_SUBMIT_DIR": submission.cwd,
        "SLURM_JOB_NODELIST": job.node,
        "SLURM_NODELIST": job.node,
        "SLURMD_NODENAME": job.node,
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NNODES": "1",
        "SLURM_NTASKS": tasks,
        "SLURM_NPROCS": tasks,
        "SLURM_TASKS_PER_NODE": tasks,
        "SLURM_CPUS_ON_NODE": str(cpus),
        "SLURM_JOB_CPUS_PER_NODE": str(cpus),
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
        "SLURM_JOB_START_TIME": str(start),
        "SLURM_JOB_END_TIME": str(start + (submission.time_limit or NO_LIMIT)),
    }
    if "cpus-per-task" in options:
        variables["SLURM_CPUS_PER_TASK"] = options["cpus-per-task"]
    for option in ("mem", "mem-per-cpu"):
        if option in options:
            name = {"mem": "SLURM_MEM_PER_NODE", "mem-per-cpu": "SLURM_MEM_PER_CPU"}[option]
            variables[name] = str(parse_memory(options[option]))
    if job.restarts:
        variables["SLURM_RESTART_COUNT"] = str(job.restarts)
    return {**variables, **array_variables(job)}


def array_variables(job: LocalJob) -> dict[str, str]:
    """What Slurm sets in the environment of an element of an array; nothing for another job."""
    array = job.submission.array
    if array is None:
        return {}
    variables = {
        "SLURM_ARRAY_JOB_ID": job.submission.job_id,
        "SLURM_ARRAY_TASK_ID": job.index,
        "SLURM_ARRAY_TASK_COUNT": len(array.indices),
        "SLURM_ARRAY_TASK_MIN": array.indices[0],
        "SLURM_ARRAY_TASK_MAX": array.indices[-1],
        "SLURM_ARRAY_TASK_STEP": array.step,
    }
    return {name: str(value) for name, value in variables.items()}


def _file(job: LocalJob, option: str, default: str) -> str:
    pattern = job.options.get(option, default)
    if not pattern:
        return ""
    submission = job.submission
    index = NO_INDEX if job.index is None else job.index
    ids = (submission.job_id, index, job.job_id)
    names = JobNames(*ids, node=job.node, user=user_name(), name=submission.name)
    return posixpath.join(submission.cwd, expand(pattern, names.values))
