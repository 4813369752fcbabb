"""The fields of jobs that ``sacct`` prints."""

from __future__ import annotations

import pwd
from collections.abc import Callable

from .asked import Asked
from .jobs import nodes_of
from .options import words_of
from .rows import Row
from .states import ENDED
from .store import Job
from .values import long_elapsed, memory_text, moment

Show = Callable[[Row, Asked], str]
# Of a batch step no more is on record.
OF_STEPS = words_of(
    """jobid jobidraw jobname alloccpus ncpus state exitcode start end elapsed elapsedraw nodelist
    nnodes reqcpus submit ntasks totalcpu"""
)


def cell(name: str, row: Row, asked: Asked) -> str:
    """The text of a field, of a job or of its batch step."""
    if row.step:
        if name == "jobname":
            return "batch"
        if name == "state":
            return _step_state(row.job)
        if name not in OF_STEPS:
            return ""
    return FIELDS[name][2](row, asked)


def _step_state(job: Job) -> str:
    if job["state"] not in ENDED:
        return "RUNNING"
    if job["exit"] == "0:0":
        return "COMPLETED"
    return "CANCELLED" if job["exit"].startswith("0:") else "FAILED"


def _state(row: Row, asked: Asked) -> str:
    """Who cancelled a job stands behind the word; jobs that Slurm cancels itself have nobody there."""
    job = row.job
    by_slurm = job["reason"] == "DependencyNeverSatisfied"
    if job["state"] == "CANCELLED" and not by_slurm:
        return f"CANCELLED by {_uid(job)}"
    return "RUNNING" if job["state"] == "COMPLETING" else str(job["state"])


def _uid(job: Job) -> str:
    try:
        return str(pwd.getpwnam(job["user"]).pw_uid)
    except KeyError:
        return "0"


def _exit(row: Row, asked: Asked) -> str:
    """A job that was ended from outside has 0:0 here; its step, and scontrol, have the signal."""
    outside = row.job["state"] in ("CANCELLED", "TIMEOUT") and not row.step
    return "0:0" if outside else str(row.job["exit"])


def _ran(job: Job, asked: Asked) -> int:
    if job["start"] is None:
        return 0
    return int(job["end"] if job["end"] is not None else asked.now) - int(job["start"])


def _start(row: Row, asked: Asked) -> str:
    """One that ended in the queue has no start, one that waits may have one."""
    never = row.job["state"] in ENDED and not row.job["node"]
    return "None" if never else moment(row.job["start"], "Unknown")


def _end(row: Row, asked: Asked) -> str:
    return moment(row.job["end"], "Unknown")


def _nodes(row: Row, asked: Asked) -> str:
    return nodes_of(asked.state, row.job) or "None assigned"


def _allocated(row: Row, asked: Asked) -> str:
    return str(row.job["cpus"]) if row.job["node"] else "0"


def _limit(row: Row, asked: Asked) -> str:
    return long_elapsed(row.job["limit"] * 60) if row.job["limit"] else "UNLIMITED"


def _raw_limit(row: Row, asked: Asked) -> str:
    return str(row.job["limit"] or "UNLIMITED")


def _of(name: str) -> Show:
    return lambda row, asked: str(row.job[name])


# The header, the width and the text of each field.
FIELDS: dict[str, tuple[str, int, Show]] = {
    "jobid": ("JobID", -12, lambda row, asked: row.id + row.step),
    "jobidraw": ("JobIDRaw", -12, lambda row, asked: str(row.number) + row.step),
    "jobname": ("JobName", 10, _of("name")),
    "partition": ("Partition", 10, _of("partition")),
    "account": ("Account", 10, _of("account")),
    "alloccpus": ("AllocCPUS", 10, _allocated),
    "ncpus": ("NCPUS", 10, _allocated),
    "reqcpus": ("ReqCPUS", 8, _of("cpus")),
    "state": ("State", 10, _state),
    "exitcode": ("ExitCode", 8, _exit),
    "nodelist": ("NodeList", 15, _nodes),
    "nnodes": ("NNodes", 8, _of("nodes")),
    "submit": ("Submit", 19, lambda row, asked: moment(row.job["submitted"], "Unknown")),
    "start": ("Start", 19, _start),
    "end": ("End", 19, _end),
    "elapsed": ("Elapsed", 10, lambda row, asked: long_elapsed(_ran(row.job, asked))),
    "elapsedraw": ("ElapsedRaw", 10, lambda row, asked: str(_ran(row.job, asked))),
    "timelimit": ("Timelimit", 10, _limit),
    "timelimitraw": ("TimelimitRaw", 12, _raw_limit),
    "reqmem": ("ReqMem", 10, lambda row, asked: memory_text(row.job["memory"])),
    "ntasks": ("NTasks", 8, lambda row, asked: "1" if row.step else ""),
    "totalcpu": ("TotalCPU", 10, lambda row, asked: "00:00:00"),
    "maxrss": ("MaxRSS", 10, lambda row, asked: ""),
    # Slurm sends it with the end of the job.
    "comment": (
        "Comment",
        14,
        lambda row, asked: row.job["comment"] if row.job["state"] in ENDED else "",
    ),
    "submitline": ("SubmitLine", 20, _of("line")),
    "workdir": ("WorkDir", 20, _of("workdir")),
    "user": ("User", 9, _of("user")),
    "qos": ("QOS", 10, _of("qos")),
    "restarts": ("Restarts", 10, _of("restarts")),
}
# Those that Slurm has beside them.
OTHERS = words_of(
    """admincomment allocnodes alloctres associd avecpu avecpufreq avediskread avediskwrite avepages
    averss avevmsize blockid cluster constraints consumedenergy consumedenergyraw container
    cputime cputimeraw dbindex derivedexitcode eligible extra failednode flags gid group layout
    licenses maxdiskread maxdiskreadnode maxdiskreadtask maxdiskwrite maxdiskwritenode
    maxdiskwritetask maxpages maxpagesnode maxpagestask maxrssnode maxrsstask maxvmsize
    maxvmsizenode maxvmsizetask mcslabel mincpu mincpunode mincputask planned plannedcpu
    plannedcpuraw priority qosraw qosreq reason reqcpufreq reqcpufreqgov reqcpufreqmax
    reqcpufreqmin reqnodes reqtres reservation reservationid sluid stderr stdin stdout
    suspended systemcomment systemcpu uid usercpu wckey wckeyid all"""
)
